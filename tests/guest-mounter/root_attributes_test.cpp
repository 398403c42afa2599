#include "guest-mounter/root_attributes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <filesystem>
#include <map>

#include "base/file.h"

namespace locket::guest_mounter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RootAttributesTest : public ::testing::Test {
 protected:
  RootAttributesTest() {
    std::filesystem::create_directory(from_);
    std::filesystem::create_directory(to_);
  }

  // A file system that refuses `name` with `error`, and keeps what it is given otherwise.
  SetXattr Refusing(const std::string& name, int error) {
    return [=, this](const std::string& path, const std::string& one, const void* value,
                     size_t num_bytes) {
      EXPECT_EQ(path, to_);
      if (one == name) {
        errno = error;
        return -1;
      }
      kept_[one] = std::string(static_cast<const char*>(value), num_bytes);
      return 0;
    };
  }

  // False where this machine's file system or user may not have such an attribute.
  bool Give(const char* name, const std::string& value) {
    return ::setxattr(from_.c_str(), name, value.data(), value.size(), 0) == 0;
  }

  TempDir directory_ = std::move(TempDir::Create("/tmp", "attributes").value());
  const std::string from_ = directory_.path() / "from";
  const std::string to_ = directory_.path() / "to";
  std::map<std::string, std::string> kept_;
};

TEST_F(RootAttributesTest, OwnerModeTimesAndAttributesAreCopied) {
  if (!Give("user.x", "1")) GTEST_SKIP() << "no user.* in /tmp";
  ASSERT_EQ(::chmod(from_.c_str(), 01711), 0);
  const timespec times[] = {{.tv_sec = 5, .tv_nsec = 6}, {.tv_sec = 7, .tv_nsec = 8}};
  ASSERT_EQ(::utimensat(AT_FDCWD, from_.c_str(), times, 0), 0);
  const Status copied = CopyRootAttributes(from_, to_);
  ASSERT_TRUE(copied.ok()) << copied.error().message();
  struct stat to {};
  ASSERT_EQ(::stat(to_.c_str(), &to), 0);
  EXPECT_EQ(to.st_mode & 07777, 01711U);
  EXPECT_EQ(to.st_mtim.tv_sec, 7);
  EXPECT_EQ(to.st_mtim.tv_nsec, 8);
  char value = 0;
  EXPECT_EQ(::getxattr(to_.c_str(), "user.x", &value, 1), 1);
  EXPECT_EQ(value, '1');
}

TEST_F(RootAttributesTest, WhatAccessDoesNotDependOnIsLeftOutWhereItCannotBeKept) {
  if (!Give("user.label", "1") || !Give("user.other", "2")) GTEST_SKIP() << "no user.* in /tmp";
  ASSERT_EQ(::chmod(from_.c_str(), 0701), 0);
  for (const int error : {ENOSPC, EDQUOT, E2BIG, EOPNOTSUPP}) {
    kept_.clear();
    ::testing::internal::CaptureStderr();
    const Status copied = CopyRootAttributes(from_, to_, Refusing("user.label", error));
    const std::string log = ::testing::internal::GetCapturedStderr();
    ASSERT_TRUE(copied.ok()) << copied.error().message();
    EXPECT_EQ(kept_["user.other"], "2") << "the next one is tried";
    EXPECT_THAT(log, AllOf(HasSubstr("attributes=\"1\""), Not(HasSubstr("label"))));
    EXPECT_EQ(std::filesystem::status(to_).permissions(), std::filesystem::perms(0701));
  }
  EXPECT_FALSE(CopyRootAttributes(from_, to_, Refusing("user.label", EIO)).ok());
}

TEST_F(RootAttributesTest, WhatAccessDependsOnIsKeptOrNothingStarts) {
  if (!Give("security.locket", std::string(77, 'x'))) GTEST_SKIP() << "no security.* in /tmp";
  for (const int error : {ENOSPC, EDQUOT, E2BIG}) {
    const Status copied = CopyRootAttributes(from_, to_, Refusing("security.locket", error));
    ASSERT_FALSE(copied.ok());
    EXPECT_EQ(copied.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_THAT(copied.error().message(),
                AllOf(HasSubstr("no room for attribute 'security.locket' (77 bytes)"),
                      HasSubstr("scratch_mib")));
  }
  const Status copied = CopyRootAttributes(from_, to_, Refusing("security.locket", EOPNOTSUPP));
  ASSERT_FALSE(copied.ok());
  EXPECT_THAT(copied.error().message(), HasSubstr("set attribute 'security.locket'"));
}

TEST_F(RootAttributesTest, AnAccessControlListIsKeptOrNothingStarts) {
  // Version 2; owner rwx, user 1000 r-x, group r-x, mask r-x, other nothing.
  const auto entry = [](char tag, char permissions, const std::string& id) {
    return std::string{tag, 0, permissions, 0} + id;
  };
  const std::string nobody(4, '\xff');
  const std::string list = std::string("\x02\0\0\0", 4) + entry(1, 7, nobody) +
                           entry(2, 5, std::string("\xe8\x03\0\0", 4)) + entry(4, 5, nobody) +
                           entry(16, 5, nobody) + entry(32, 0, nobody);
  if (!Give("system.posix_acl_access", list)) GTEST_SKIP() << "no access control lists in /tmp";
  EXPECT_FALSE(
      CopyRootAttributes(from_, to_, Refusing("system.posix_acl_access", EOPNOTSUPP)).ok());
  const Status copied = CopyRootAttributes(from_, to_);
  ASSERT_TRUE(copied.ok()) << copied.error().message();
  std::string there(list.size() + 1, '\0');
  EXPECT_EQ(::getxattr(to_.c_str(), "system.posix_acl_access", there.data(), there.size()),
            static_cast<ssize_t>(list.size()));
}

TEST_F(RootAttributesTest, OverlayfsOwnAttributesAreNotCopied) {
  if (!Give("trusted.overlay.opaque", "y")) GTEST_SKIP() << "no trusted.* in /tmp";
  ASSERT_TRUE(CopyRootAttributes(from_, to_, Refusing("", 0)).ok());
  EXPECT_FALSE(kept_.contains("trusted.overlay.opaque"));
}

}  // namespace
}  // namespace locket::guest_mounter
