#include "image/oci/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::image {
namespace {

using ::testing::HasSubstr;

constexpr char kDigest[] =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Case {
  std::string text;
  std::string full;
  std::string registry;
};
void PrintTo(const Case& reference, std::ostream* out) { *out << reference.text; }

class ReferenceTest : public ::testing::TestWithParam<Case> {};

TEST_P(ReferenceTest, MeansWhatDockerAndContainerdTakeItFor) {
  const auto reference = ParseReference(GetParam().text);
  ASSERT_TRUE(reference.ok()) << reference.error().message();
  EXPECT_EQ(reference->ToText(), GetParam().full);
  EXPECT_EQ(reference->registry, GetParam().registry);
  EXPECT_EQ(*ParseReference(reference->ToText()), *reference);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ReferenceTest,
    ::testing::Values(Case{"alpine", "docker.io/library/alpine:latest", "docker.io"},
                      Case{"alpine:3.18", "docker.io/library/alpine:3.18", "docker.io"},
                      Case{"user/app", "docker.io/user/app:latest", "docker.io"},
                      Case{"docker.io/alpine", "docker.io/library/alpine:latest", "docker.io"},
                      Case{"index.docker.io/alpine", "docker.io/library/alpine:latest",
                           "docker.io"},
                      Case{"localhost/app", "localhost/app:latest", "localhost"},
                      Case{"127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1", "127.0.0.1:5000"},
                      Case{"[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000"},
                      Case{"reg.example/a__b/c--d/e.f:T-1.x_y", "reg.example/a__b/c--d/e.f:T-1.x_y",
                           "reg.example"},
                      Case{"Reg/app", "Reg/app:latest", "Reg"},
                      Case{std::string("reg.example/a@") + kDigest,
                           std::string("reg.example/a@") + kDigest, "reg.example"},
                      Case{std::string("reg.example/a:1@") + kDigest,
                           std::string("reg.example/a:1@") + kDigest, "reg.example"}));

TEST(ReferenceTest, DigestWinsOverTag) {
  EXPECT_EQ(ParseReference(std::string("a:1@") + kDigest)->Target(), kDigest);
  EXPECT_EQ(ParseReference("a:1")->Target(), "1");
}

TEST(ReferenceTest, RefusesWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "no name"},
      {":1", "no name"},
      {"a:", "tag is malformed"},
      {"a:-1", "tag is malformed"},
      {"a:" + std::string(129, 'x'), "tag is malformed"},
      {"a@sha256:12", "64 hex digits"},
      {"UPPER", "lower-case"},
      {"a//b", "lower-case"},
      {"a___b", "lower-case"},
      {"a..b/c", "host is malformed"},
      {"a-/b", "lower-case"},
      {"-a.b/c", "host is malformed"},
      {"host:port/a", "host is malformed"},
      {"[::1/a", "host is malformed"},
      {"a b", "lower-case"},
      {std::string(kDigest).substr(7), "image ID"},
      {"r.example/" + std::string(300, 'a'), "longer than 255"}};
  for (const auto& [text, why] : cases) {
    const auto reference = ParseReference(text);
    ASSERT_FALSE(reference.ok()) << text;
    EXPECT_THAT(reference.error().message(), HasSubstr(why)) << text;
  }
}

TEST(ImageLocationTest, TellsTransportsApart) {
  EXPECT_EQ(*ParseImageLocation("oci:/a/b:1"),
            (ImageLocation{.transport = Transport::kOciLayout, .path = "/a/b", .tag = "1"}));
  EXPECT_EQ(*ParseImageLocation("oci-archive:x.tar"),
            (ImageLocation{.transport = Transport::kOciArchive, .path = "x.tar"}));
  EXPECT_EQ(
      *ParseImageLocation("docker-archive:x.tar:a/b:1"),
      (ImageLocation{.transport = Transport::kDockerArchive, .path = "x.tar", .tag = "a/b:1"}));
  for (const char* text : {"oci:/a/b:1", "oci-archive:x.tar", "docker-archive:x.tar:a/b:1"}) {
    EXPECT_EQ(ParseImageLocation(text)->ToText(), text);
  }
  const auto registry = ParseImageLocation("docker://127.0.0.1:5000/a:1");
  ASSERT_TRUE(registry.ok());
  EXPECT_EQ(registry->transport, Transport::kRegistry);
  EXPECT_EQ(registry->ToText(), "127.0.0.1:5000/a:1");
}

TEST(ImageLocationTest, RefusesEmptyPathsAndTags) {
  EXPECT_THAT(ParseImageLocation("oci:").error().message(), HasSubstr("no path"));
  EXPECT_THAT(ParseImageLocation("oci::1").error().message(), HasSubstr("no path"));
  EXPECT_THAT(ParseImageLocation("oci:/a:").error().message(), HasSubstr("tag is empty"));
}

}  // namespace
}  // namespace locket::image
