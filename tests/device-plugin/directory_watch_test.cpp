#include "device-plugin/directory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <fstream>

#include "base/file.h"

namespace locket::device_plugin {
namespace {

namespace fs = std::filesystem;

bool Told(const DirectoryWatch& watch, int patience_ms) {
  pollfd waiting{.fd = watch.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, patience_ms) == 1;
}

class DirectoryWatchTest : public ::testing::Test {
 protected:
  static constexpr int kPatienceMs = 60'000;

  DirectoryWatch Open(const fs::path& directory) {
    auto watch = DirectoryWatch::Open(directory);
    EXPECT_TRUE(watch.ok()) << watch.error().message();
    return std::move(watch).value();
  }
  bool Rearm(DirectoryWatch& watch) {
    const auto there = watch.Rearm();
    EXPECT_TRUE(there.ok()) << there.error().message();
    return there.ok() && *there;
  }
  // Nothing has changed since Rearm.
  void ExpectQuiet(const DirectoryWatch& watch) { EXPECT_FALSE(Told(watch, 0)); }

  const TempDir temp_ = std::move(TempDir::Create(fs::temp_directory_path(), "watch-")).value();
  const fs::path directory_ = temp_.path() / "a" / "b";
};

TEST_F(DirectoryWatchTest, TellsWhenNamesComeAndGo) {
  fs::create_directories(directory_);
  DirectoryWatch watch = Open(directory_);
  EXPECT_TRUE(Rearm(watch));
  ExpectQuiet(watch);
  std::ofstream(directory_ / "f") << "x";
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_TRUE(Rearm(watch));
  ExpectQuiet(watch);
  fs::rename(directory_ / "f", temp_.path() / "f");
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_TRUE(Rearm(watch));
  fs::rename(temp_.path() / "f", directory_ / "f");
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_TRUE(Rearm(watch));
  fs::remove(directory_ / "f");
  EXPECT_TRUE(Told(watch, kPatienceMs));
}

TEST_F(DirectoryWatchTest, WaitsForADirectoryThatIsNotThereYet) {
  DirectoryWatch watch = Open(directory_);
  EXPECT_FALSE(Rearm(watch));
  ExpectQuiet(watch);
  fs::create_directory(directory_.parent_path());
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_FALSE(Rearm(watch));
  fs::create_directory(directory_);
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_TRUE(Rearm(watch));
  std::ofstream(directory_ / "f") << "x";
  EXPECT_TRUE(Told(watch, kPatienceMs));
}

TEST_F(DirectoryWatchTest, FindsADirectoryThatWasMadeAnew) {
  fs::create_directories(directory_);
  DirectoryWatch watch = Open(directory_);
  EXPECT_TRUE(Rearm(watch));
  fs::remove_all(directory_.parent_path());
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_FALSE(Rearm(watch));
  fs::create_directories(directory_);
  EXPECT_TRUE(Told(watch, kPatienceMs));
  EXPECT_TRUE(Rearm(watch));
  EXPECT_TRUE(Rearm(watch));  // that the kernel drops the former watch is told, too
  ExpectQuiet(watch);
  std::ofstream(directory_ / "f") << "x";
  EXPECT_TRUE(Told(watch, kPatienceMs));
}

TEST_F(DirectoryWatchTest, ParentsAreNotWatchedLongerThanNeeded) {
  DirectoryWatch watch = Open(directory_);
  EXPECT_FALSE(Rearm(watch));
  fs::create_directories(directory_);
  EXPECT_TRUE(Rearm(watch));
  // The kernel's word that the former watch is gone is the last that is heard of it.
  EXPECT_TRUE(Rearm(watch));
  std::ofstream(temp_.path() / "f") << "x";
  ExpectQuiet(watch);
}

TEST_F(DirectoryWatchTest, SaysWhichPathIsNoDirectory) {
  std::ofstream(temp_.path() / "a") << "x";
  DirectoryWatch watch = Open(directory_);
  EXPECT_EQ(watch.Rearm().error().message(),
            "watch '" + directory_.string() + "': Not a directory");
}

}  // namespace
}  // namespace locket::device_plugin
