#include "snapshotter/service/passed_sockets.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

// One that listens, on an address of the kernel's choice (unix(7): autobind).
UniqueFd Listening() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  EXPECT_EQ(
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address.sun_family)), 0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  return fd;
}

std::vector<PassedSocket> Named(const std::vector<std::string>& names) {
  std::vector<PassedSocket> passed;
  for (const std::string& name : names) passed.push_back({.name = name, .fd = Listening()});
  return passed;
}

TEST(PassedSocketsTest, EachIsForWhatItsNameSays) {
  for (const bool images_first : {false, true}) {
    auto passed = Named({"locket-snapshotter.socket", "images"});
    const int snapshots = passed[0].fd.get();
    const int images = passed[1].fd.get();
    if (images_first) std::swap(passed[0], passed[1]);
    const auto sorted = SortSockets(std::move(passed));
    ASSERT_TRUE(sorted.ok()) << sorted.error().message();
    EXPECT_EQ(sorted->snapshots->fd(), snapshots);
    EXPECT_EQ(sorted->images->fd(), images);
  }
}

TEST(PassedSocketsTest, EitherMayBeMissing) {
  const auto none = SortSockets({});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->snapshots || none->images);
  const auto only_images = SortSockets(Named({"images"}));
  ASSERT_TRUE(only_images.ok());
  EXPECT_FALSE(only_images->snapshots);
  EXPECT_TRUE(only_images->images);
  const auto unnamed = SortSockets(Named({"unknown"}));
  ASSERT_TRUE(unnamed.ok());
  EXPECT_TRUE(unnamed->snapshots);
}

TEST(PassedSocketsTest, TwoForTheSameAreRefusedByName) {
  for (const auto& names : {std::vector<std::string>{"a.socket", "imagse"}, {"images", "images"}}) {
    const auto sorted = SortSockets(Named(names));
    ASSERT_FALSE(sorted.ok());
    EXPECT_EQ(sorted.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(sorted.error().message(), HasSubstr("'" + names[1] + "'"));
    EXPECT_THAT(sorted.error().message(), HasSubstr("FileDescriptorName=images"));
  }
}

TEST(PassedSocketsTest, WhatIsNoListeningUnixSocketIsRefusedByName) {
  std::vector<PassedSocket> passed;
  passed.push_back(
      {.name = "images", .fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))});
  const auto sorted = SortSockets(std::move(passed));
  ASSERT_FALSE(sorted.ok());
  EXPECT_EQ(sorted.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(sorted.error().message(), HasSubstr("'images': systemd passed something that is no"));
}

}  // namespace
}  // namespace locket::snapshotter
