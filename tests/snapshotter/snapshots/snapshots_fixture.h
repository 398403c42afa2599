// Snapshots over a fake store and a fake registry, on a real directory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/file.h"
#include "image/sealed/rootfs_description.h"
#include "snapshotter/snapshots/snapshots.h"
#include "tests/snapshotter/cache/fake_fetcher.h"
#include "tests/snapshotter/containerd/fake_containerd.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/store/fake_store.h"

namespace locket::snapshotter {

// As containerd's CRI plugin writes it. Empty texts are left out.
inline std::string CriMetadata(const std::string& image_id, const std::string& requested,
                               const std::string& user_specified = "") {
  return R"({"Version":"v1","Metadata":{"ID":"c","Name":"n","SandboxID":"s",)"
         R"("Config":{"metadata":{"name":"c"},"image":{"image":")" +
         requested + R"(","user_specified_image":")" + user_specified + R"("}},"ImageRef":")" +
         image_id + R"(","LogPath":""}})";
}

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
                                   .containerd = containerd,
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
  FakeContainerd containerd;
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

  // How containerd calls the snapshot of container `id` to us.
  static std::string SnapshotOf(const std::string& id) { return "k8s.io/9/" + id; }

  // As the kubelet has CRI create a container of an image that was pulled: by the image's ID.
  void CreateRecord(const std::string& id, const TestImage& image) {
    machine_.containerd.AddContainer(
        "k8s.io", id,
        {.image = image.reference,
         .snapshot_key = id,
         .cri_metadata = CriMetadata(image.config_digest(), image.config_digest())});
  }

  // A container's life until its task is created: its snapshot, its record, its mounts.
  Result<std::vector<Mount>> Run(const std::string& id, const TestImage& image,
                                 const std::string& parent) {
    machine_.containerd.AddImage("k8s.io", image);
    LOCKET_TRY(snapshots().Prepare({.key = SnapshotOf(id), .parent = parent}));
    CreateRecord(id, image);
    return snapshots().Mounts(SnapshotOf(id));
  }

  // What the shim is told; an error: nothing.
  Result<image::RootfsDescription> Told(const std::string& id) {
    LOCKET_TRY_ASSIGN(const Snapshot snapshot, snapshots().Stat(SnapshotOf(id)));
    LOCKET_TRY_ASSIGN(const std::string json,
                      ReadFile(machine_.root.rootfs_json(snapshot.id), 1 << 20));
    return image::DecodeRootfsDescription(json);
  }

  // The shim of container `id` reads the manifest and config of `image`.
  void ExpectTold(const std::string& id, const TestImage& image) {
    const auto told = Told(id);
    ASSERT_TRUE(told.ok()) << told.error().message();
    EXPECT_EQ(*ReadFile(told->manifest_path, 1 << 20), image.manifest);
    EXPECT_EQ(told->manifest_digest.ToText(), image.manifest_digest());
    EXPECT_EQ(*ReadFile(told->config_path, 1 << 20), image.config);
    EXPECT_EQ(told->config_digest.ToText(), image.config_digest());
    EXPECT_EQ(told->image_ref, image.reference);
    ASSERT_EQ(told->layers.size(), image.layers.size());
    for (size_t i = 0; i < image.layers.size(); ++i) {
      EXPECT_EQ(*ReadFile(told->layers[i].path, 64 << 20), image.layers[i]) << i;
    }
  }

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
