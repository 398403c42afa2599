// Snapshots over a fake store and a fake registry, on a real directory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/file.h"
#include "snapshotter/snapshots.h"
#include "tests/snapshotter/fake_fetcher.h"
#include "tests/snapshotter/fake_store.h"
#include "tests/snapshotter/image_fixture.h"

namespace locket::snapshotter {

// One machine: what outlives a restart, and the process running on it.
class Machine {
 public:
  Machine() {
    clock.Set(std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000)));
  }

  // As after kill -9: nothing of the process is left but what it wrote.
  Status Restart() {
    snapshots.reset();
    converter.reset();
    blobs.emplace(root, fetcher, limits);
    if (convert.enabled) {
      auto made =
          Converter::Open({.root = root, .blobs = *blobs, .clock = clock, .options = convert});
      if (!made.ok()) return std::move(made).error();
      converter = std::move(made).value();
    }
    auto opened = Snapshots::Open({.root = root,
                                   .store = store,
                                   .blobs = *blobs,
                                   .clock = clock,
                                   .keep_partials = std::chrono::seconds(0),
                                   .converter = converter.get()});
    if (!opened.ok()) return std::move(opened).error();
    snapshots = std::move(opened).value();
    return Ok();
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto listed = snapshots->List({});
    for (const Snapshot& snapshot : *listed) names.push_back(snapshot.name);
    return names;
  }
  std::vector<std::string> Directories() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root.snapshots())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  // What Directories() is when none is left and none is missing.
  std::vector<std::string> NeededDirectories() {
    std::vector<std::string> names;
    const auto listed = snapshots->List({});
    for (const Snapshot& snapshot : *listed) {
      const bool shows_its_parents = snapshot.kind == Kind::kView && !snapshot.parent.empty();
      if (!snapshot.layer && !shows_its_parents) names.push_back(std::to_string(snapshot.id));
    }
    return names;
  }

  TempDir temp =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "snapshots-")).value();
  RootDirectory root = std::move(RootDirectory::Open(temp.path())).value();
  FakeStore store;
  FakeFetcher fetcher;
  FakeClock clock;
  ConvertOptions convert;  // of the next Restart
  CacheLimits limits{};    // none: what nothing needs goes at once
  std::optional<BlobCache> blobs;
  std::unique_ptr<Converter> converter;
  std::unique_ptr<Snapshots> snapshots;
};

class SnapshotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto started = machine_.Restart();
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  Snapshots& snapshots() { return *machine_.snapshots; }

  void CommitBase(const std::string& name) {
    ASSERT_TRUE(snapshots().Prepare({.key = name + "-active"}).ok());
    ASSERT_TRUE(snapshots().Commit(name, name + "-active", {}).ok());
  }

  Machine machine_;
};

template <typename T>
void ExpectError(const Result<T>& result, ErrorCode code, const std::string& why) {
  ASSERT_FALSE(result.ok()) << "expected: " << why;
  EXPECT_EQ(result.error().code(), code) << result.error().message();
  EXPECT_THAT(result.error().message(), ::testing::HasSubstr(why));
}

}  // namespace locket::snapshotter
