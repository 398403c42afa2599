#include "runtime-shim/host/resolv_conf.h"

#include <gmock/gmock.h>

namespace locket::runtime_shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ResolvConfTest, ReadsWhatAKubeletWrites) {
  const auto config = ParseResolvConf(
      "search default.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\n"
      "nameserver fd00::a\noptions ndots:5 edns0\n");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_THAT(config->nameservers, ElementsAre(std::string("\x0a\x60\x00\x0a", 4),
                                               "\xfd" + std::string(14, '\0') + "\n"));
  EXPECT_THAT(config->searches, ElementsAre("default.svc.cluster.local", "svc.cluster.local"));
  EXPECT_THAT(config->options, ElementsAre("ndots:5", "edns0"));
}

TEST(ResolvConfTest, CommentsBlanksAndUnknownLinesAreLeftOut) {
  const auto config = ParseResolvConf(
      "# nameserver 1.1.1.1\n; search x\n\n  \t\n sortlist 1.2.3.4\r\nnameserver\nnameserver name\n"
      "nameserver fe80::1%eth0\nsearch\n\tnameserver \t 10.0.0.1 \r");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_THAT(config->nameservers, ElementsAre(std::string("\x0a\x00\x00\x01", 4)));
  EXPECT_THAT(config->searches, IsEmpty());
  EXPECT_THAT(config->options, IsEmpty());
}

TEST(ResolvConfTest, TheLastSearchOrDomainCountsAndOptionsAddUp) {
  const auto config = ParseResolvConf("search a b\noptions x\ndomain c d\noptions y z\n");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->searches, ElementsAre("c"));
  EXPECT_THAT(config->options, ElementsAre("x", "y", "z"));
  EXPECT_THAT(ParseResolvConf("domain c\nsearch a b")->searches, ElementsAre("a", "b"));
}

TEST(ResolvConfTest, MoreNameserversThanAResolverAsksAreLeftOut) {
  std::string text;
  for (int i = 1; i < 9; ++i) text += "nameserver 10.0.0." + std::to_string(i) + "\n";
  EXPECT_EQ(ParseResolvConf(text)->nameservers.size(), kMaxNameservers);
}

TEST(ResolvConfTest, RefusesMoreThanAGuestTakes) {
  const auto large = ParseResolvConf(std::string(kMaxResolvConfBytes + 1, '\n'));
  ASSERT_FALSE(large.ok());
  EXPECT_THAT(large.error().message(), HasSubstr("larger than 64 KiB"));
  for (const std::string keyword : {"search", "options"}) {
    std::string line = keyword;
    for (size_t i = 0; i < 32; ++i) line += " x";
    EXPECT_TRUE(ParseResolvConf(line).ok());
    const auto many = ParseResolvConf(line + " x");
    ASSERT_FALSE(many.ok());
    EXPECT_THAT(many.error().message(), HasSubstr("more than 32 search domains or options"));
  }
}

}  // namespace
}  // namespace locket::runtime_shim
