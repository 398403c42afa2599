#include "guest-agent/policy/names.h"

#include <gmock/gmock.h>

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

TEST(NamesTest, NoHostnameIsANameOfTheLoopbackInterface) {
  for (const char* name : {"localhost",
                           "LocalHost",
                           "localhost.",
                           "localhost..",
                           "a.localhost",
                           "A.b.LOCALHOST.",
                           "a.localhost.localdomain",
                           "localhost.localdomain",
                           "localhost.localdomain4",
                           "localhost4",
                           "localhost4.localdomain",
                           "localhost4.localdomain4.",
                           "LOCALHOST6",
                           "localhost6.localdomain6",
                           "localdomain",
                           "ip6-localhost",
                           "IP6-Loopback",
                           "ip6-localnet",
                           "ip6-mcastprefix",
                           "ip6-allnodes",
                           "ip6-allrouters.",
                           "ip6-allhosts",
                           "ipv6-localhost",
                           "ipv6-loopback",
                           "loopback"}) {
    EXPECT_TRUE(IsLoopbackName(name)) << name;
    const Status checked = CheckHostname(name);
    ASSERT_FALSE(checked.ok()) << name;
    EXPECT_THAT(checked.error().message(), HasSubstr("is a name of the loopback interface"));
  }
  for (const char* name : {"",
                           "pod",
                           "local",
                           "host",
                           "localhos",
                           "my-localhost",
                           "ip6",
                           "a.b-c",
                           "localhost-proxy-7c9f",
                           "localhost5",
                           "localhost.example",
                           "localhost4.example",
                           "localhost.localdomain5",
                           "a.localhost4",
                           "ip6-tunnel-abc",
                           "ip6-localhost.example",
                           "loopback-test",
                           "loopback.example",
                           "db.localdomain",
                           "localdomain-x"}) {
    EXPECT_FALSE(IsLoopbackName(name)) << name;
    EXPECT_TRUE(CheckHostname(name).ok()) << name;
  }
}

}  // namespace
}  // namespace locket::guest_agent
