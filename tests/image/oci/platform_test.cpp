#include "image/oci/platform.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace locket::image {
namespace {

// "linux/arm/v7", as a person writes it.
Platform P(const std::string& text) {
  const size_t first = text.find('/');
  const size_t second = text.find('/', first + 1);
  Platform platform{.architecture = text.substr(first + 1, second - first - 1),
                    .os = text.substr(0, first)};
  if (second != std::string::npos) platform.variant = text.substr(second + 1);
  return platform;
}

// The rules of containerd's platforms.Only, best first; what is not listed does not run there.
struct Rule {
  std::string wanted;
  std::vector<std::vector<std::string>> ranked;  // names of one rank mean the same
  std::vector<std::string> never;
};

const Rule kRules[] = {
    {"linux/amd64",
     {{"linux/amd64", "linux/amd64/v1", "linux/x86_64", "linux/x86-64", "LINUX/AMD64"},
      {"linux/386", "linux/i386", "linux/386"}},
     {"linux/amd64/v2", "linux/amd64/v3", "linux/arm/v7", "linux/arm64", "windows/amd64", "linux/",
      "unknown/unknown", "linux/386/sse2", "freebsd/amd64"}},
    {"linux/amd64/v1", {{"linux/amd64", "linux/amd64/v1"}, {"linux/386"}}, {"linux/amd64/v2"}},
    {"linux/amd64/v3",
     {{"linux/amd64/v3"}, {"linux/amd64/v2"}, {"linux/amd64", "linux/amd64/v1"}, {"linux/386"}},
     {"linux/amd64/v4", "linux/arm64"}},
    {"linux/386", {{"linux/386", "linux/i386"}}, {"linux/amd64", "linux/arm/v7"}},
    {"linux/arm/v8",
     {{"linux/arm/v8", "linux/arm/8"},
      {"linux/arm", "linux/arm/v7", "linux/arm/7", "linux/armhf"},
      {"linux/arm/v6", "linux/armel"},
      {"linux/arm/v5"}},
     {"linux/arm/v4", "linux/arm64", "linux/amd64"}},
    {"linux/arm",
     {{"linux/arm", "linux/arm/v7"}, {"linux/arm/v6"}, {"linux/arm/v5", "linux/arm/5"}},
     {"linux/arm/v8", "linux/arm/v4"}},
    {"linux/arm/v6", {{"linux/arm/v6"}, {"linux/arm/v5"}}, {"linux/arm", "linux/arm/v7"}},
    {"linux/arm/v4", {{"linux/arm/v4"}}, {"linux/arm/v5", "linux/arm"}},
    {"linux/arm64",
     {{"linux/arm64", "linux/arm64/v8", "linux/arm64/8", "linux/aarch64"},
      {"linux/arm/v8"},
      {"linux/arm", "linux/arm/v7"},
      {"linux/arm/v6"},
      {"linux/arm/v5"}},
     {"linux/arm64/v9", "linux/arm64/v8.1", "linux/arm/v9", "linux/arm/v4", "linux/amd64"}},
    {"linux/arm64/v8.2",
     {{"linux/arm64/v8.2"},
      {"linux/arm64/v8.1"},
      {"linux/arm64", "linux/arm64/v8"},
      {"linux/arm/v8"},
      {"linux/arm"}},
     {"linux/arm64/v9", "linux/arm64/v8.3"}},
    {"linux/arm64/v9.1",
     {{"linux/arm64/v9.1"},
      {"linux/arm64/v9"},
      {"linux/arm64/v8.6"},
      {"linux/arm64/v8.5"},
      {"linux/arm64/v8.4"},
      {"linux/arm64/v8.3"},
      {"linux/arm64/v8.2"},
      {"linux/arm64/v8.1"},
      {"linux/arm64"},
      {"linux/arm/v8"}},
     {"linux/arm64/v8.7", "linux/arm64/v9.2"}},
    {"linux/riscv64", {{"linux/riscv64"}}, {"linux/riscv64/rva23u64", "linux/amd64"}},
    {"windows/amd64", {{"windows/amd64"}, {"windows/386"}}, {"linux/amd64"}},
    // Not versions: nothing is below them.
    {"linux/amd64/v999999999999", {{"linux/amd64/v999999999999"}, {"linux/386"}}, {"linux/amd64"}},
    {"linux/amd64/vx", {{"linux/amd64/vx"}, {"linux/386"}}, {"linux/amd64"}}};

TEST(PlatformTest, MatchesAndRanksAsContainerdDoes) {
  for (const Rule& rule : kRules) {
    for (size_t i = 0; i < rule.ranked.size(); ++i) {
      for (const auto& offered : rule.ranked[i]) {
        const auto rank = PlatformRank(P(rule.wanted), P(offered));
        ASSERT_TRUE(rank.has_value()) << rule.wanted << " does not run " << offered;
        EXPECT_EQ(*rank, i) << rule.wanted << " runs " << offered;
      }
    }
    for (const auto& offered : rule.never) {
      EXPECT_FALSE(PlatformRank(P(rule.wanted), P(offered)).has_value())
          << rule.wanted << " runs " << offered;
    }
  }
}

TEST(PlatformTest, NoOperatingSystemIsLinuxAndNoArchitectureIsNone) {
  const Platform wanted = P("linux/amd64");
  EXPECT_EQ(PlatformRank(wanted, {.architecture = "amd64", .os = ""}), 0U);
  EXPECT_FALSE(PlatformRank(wanted, {.architecture = "", .os = ""}).has_value()) << "platform: {}";
  EXPECT_FALSE(PlatformRank(wanted, {.architecture = "", .os = "linux"}).has_value());
}

// containerd 2.3 lists EROFS variants of an image this way.
TEST(PlatformTest, WhatNeedsAFeatureOfTheSystemIsNotChosen) {
  EXPECT_FALSE(PlatformRank(P("linux/amd64"),
                            {.architecture = "amd64", .os = "linux", .os_features = {"erofs"}})
                   .has_value());
}

TEST(PlatformTest, TheHostIsOneThatImagesAreMadeFor) {
  EXPECT_EQ(PlatformRank(HostPlatform(), HostPlatform()), 0U);
  EXPECT_EQ(HostPlatform().os, "linux");
  EXPECT_EQ(P("linux/arm/v7").ToText(), "linux/arm/v7");
  EXPECT_EQ(P("linux/amd64").ToText(), "linux/amd64");
}

}  // namespace
}  // namespace locket::image
