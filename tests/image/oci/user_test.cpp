#include "image/oci/user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::image {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken\n"
    "www-data:x:33:34:www:/var/www:/bin/sh\n"
    "1000:x:7:8:a name of digits::\n"
    "huge:x:4294967295:1::\n"
    "last:x:90:91::";
constexpr std::string_view kGroup = "root:x:0:\nstaff:x:50:a,b\n";

TEST(ResolveUserTest, FollowsDocker) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"", "0:0"},
                                                                 {"root", "0:0"},
                                                                 {"www-data", "33:34"},
                                                                 {"33", "33:34"},
                                                                 {"1234", "1234:0"},
                                                                 {"1234:5", "1234:5"},
                                                                 {"www-data:staff", "33:50"},
                                                                 {"33:staff", "33:50"},
                                                                 {"www-data:", "33:34"},
                                                                 {":staff", "0:50"},
                                                                 {"1000", "1000:0"},
                                                                 {"last", "90:91"},
                                                                 {"0:0", "0:0"}};
  for (const auto& [user, expected] : cases) {
    const auto resolved = ResolveUser(user, kPasswd, kGroup);
    ASSERT_TRUE(resolved.ok()) << user << ": " << resolved.error().message();
    EXPECT_EQ(resolved->ToText(), expected) << user;
  }
}

TEST(ResolveUserTest, WorksWithoutFilesForNumbers) {
  EXPECT_EQ(ResolveUser("5:6", "", "")->ToText(), "5:6");
  EXPECT_EQ(ResolveUser("", "", "")->ToText(), "0:0");
}

TEST(ResolveUserTest, RefusesWithTheReason) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"nobody", "no user 'nobody'"},
      {"root:wheel", "no group 'wheel'"},
      {"a:b:c", "more than one colon"},
      {"2147483648", "above 2147483647"},
      {"0:4294967296", "above 2147483647"},
      {"huge", "/etc/passwd"},
      {"-1", "no user '-1'"}};
  for (const auto& [user, why] : cases) {
    EXPECT_THAT(ResolveUser(user, kPasswd, kGroup).error().message(), HasSubstr(why)) << user;
  }
  EXPECT_EQ(ResolveUser("nobody", kPasswd, kGroup).error().code(), ErrorCode::kNotFound);
}

TEST(ParseNumericUserTest, TakesOneFormOnly) {
  EXPECT_EQ(*ParseNumericUser("1000:100"), (NumericUser{.uid = 1000, .gid = 100}));
  for (const char* bad : {"", "0", "0:", ":0", "0:0:0", "00:0", "a:0", "+1:0", "2147483648:0"}) {
    EXPECT_FALSE(ParseNumericUser(bad).ok()) << bad;
  }
}

constexpr std::string_view kAccounts =
    "root:x:0:0:root:/root:/bin/sh\ndemo:x:1000:1000::/app:/bin/sh\nshort:x:7:7\n"
    "again:x:1000:1:other:/other\nbad:x:y:1::/bad\n";

TEST(AccountTest, HasTheHomeAndTheGroupsThatListTheUser) {
  const std::string groups =
      "root:x:0:\nwheel:x:10:root\naudio:x:29:demo,root\nvideo:x:44:x,demo\ndemo:x:1000:demo\n"
      "demos:x:50:demos\nbad:x:-1:demo\nnone:x:51\nhuge:x:4294967296:demo\n";
  EXPECT_EQ(AccountOf(1000, kAccounts, groups), (Account{.home = "/app", .groups = {29, 44}}));
  EXPECT_EQ(AccountOf(0, kAccounts, groups), (Account{.home = "/root", .groups = {10, 29}}));
}

TEST(AccountTest, AUserWithoutAnEntryHasNeither) {
  EXPECT_EQ(AccountOf(5, kAccounts, "wheel:x:10:5,root\n"), Account{});
  EXPECT_EQ(AccountOf(0, "", "wheel:x:10:root\n"), Account{});
  EXPECT_EQ(AccountOf(7, kAccounts, "wheel:x:10:short\n"), (Account{.groups = {10}}));
}

}  // namespace
}  // namespace locket::image
