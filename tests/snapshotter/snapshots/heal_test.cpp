// What the disk loses comes back, at the next use or when an operator asks for it.
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/sealed_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class HealTest : public SealedTest {
 protected:
  std::vector<std::string> AllDigests() const {
    std::vector<std::string> digests = image_.layer_digests;
    digests.push_back(image_.manifest_digest());
    digests.push_back(image_.config_digest());
    return digests;
  }
  fs::path Blob(const std::string& digest) const { return machine_.root.blob(digest); }
};

TEST_F(HealTest, AContainersFirstUseFetchesWhateverBlobIsGone) {
  const std::string top = PullAll(image_);
  int count = 0;
  for (const std::string& digest : AllDigests()) {
    SCOPED_TRACE(digest);
    fs::remove(Blob(digest));
    ASSERT_TRUE(machine_.Restart().ok());
    const auto mounts = Run("web" + std::to_string(++count), image_, top);
    ASSERT_TRUE(mounts.ok()) << mounts.error().message();
    EXPECT_TRUE(fs::exists(Blob(digest)));
  }
}

TEST_F(HealTest, ALaterMountFetchesWhateverBlobIsGone) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("web", image_, top).ok());
  for (const std::string& digest : AllDigests()) {
    SCOPED_TRACE(digest);
    fs::remove(Blob(digest));
    ASSERT_TRUE(machine_.Restart().ok());
    ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
    EXPECT_TRUE(fs::exists(Blob(digest)));
  }
}

TEST_F(HealTest, AMountOfWhatIsThereAsksNobody) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("web", image_, top).ok());
  const int fetches = machine_.fetcher.num_blob_fetches();
  machine_.fetcher.FailCall(1);
  machine_.containerd.FailCall(1);
  EXPECT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches);
}

TEST_F(HealTest, DamagedManifestAndConfigAreWrittenAgain) {
  const std::string top = PullAll(image_);
  int count = 0;
  for (const std::string& digest : {image_.manifest_digest(), image_.config_digest()}) {
    SCOPED_TRACE(digest);
    std::string bytes = *ReadFile(Blob(digest), 1 << 20);
    bytes[0] = static_cast<char>(bytes[0] ^ 1);
    ASSERT_TRUE(ReplaceFileDurably(Blob(digest), bytes).ok());
    ASSERT_TRUE(machine_.Restart().ok());
    const auto mounts = Run("web" + std::to_string(++count), image_, top);
    ASSERT_TRUE(mounts.ok()) << mounts.error().message();
    EXPECT_TRUE(machine_.blobs->Read(digest, 1 << 20).ok());
  }
}

TEST_F(HealTest, WhatTheRegistryLacksTooIsItsErrorAndLeavesNothing) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(snapshots().Prepare({.key = "old", .parent = top}).ok());
  fs::remove(Blob(image_.layer_digests[1]));
  machine_.fetcher.Forget(image_.layer_digests[1]);
  ExpectError(snapshots().Prepare({.key = "web", .parent = top}), ErrorCode::kNotFound,
              "image '127.0.0.1:5000/app:1': fetch blob " + image_.layer_digests[1]);
  EXPECT_THAT(machine_.Directories(), SizeIs(1)) << "that of 'old'";
  ExpectError(snapshots().Mounts("old"), ErrorCode::kNotFound, image_.layer_digests[1]);
  machine_.fetcher.Add(image_.layers[1]);
  EXPECT_TRUE(snapshots().Mounts("old").ok());
}

TEST_F(HealTest, ALostStubAndItsBlobsComeBackWithTheNextMountThoughTheRegistryWasAwayAtStartUp) {
  const std::string top = PullAll(image_);
  const auto before = Run("web", image_, top);
  const uint64_t id = snapshots().Stat(SnapshotOf("web"))->id;
  const std::string json = *ReadFile(machine_.root.rootfs_json(id), 1 << 20);
  fs::remove_all(machine_.root.snapshot(id));
  fs::remove(Blob(image_.layer_digests[2]));
  machine_.fetcher.FailCall(1);
  machine_.containerd.FailCall(1);
  ASSERT_TRUE(machine_.Restart().ok()) << "start-up asks neither registry nor containerd";
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kUnavailable, "fetch: injected");
  const auto mounts = snapshots().Mounts(SnapshotOf("web"));
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  EXPECT_EQ(*mounts, *before);
  EXPECT_EQ(*ReadFile(machine_.root.rootfs_json(id), 1 << 20), json);
}

TEST_F(HealTest, APullFetchesWhatIsGone) {
  const std::string top = PullAll(image_);
  fs::remove(Blob(image_.layer_digests[1]));
  EXPECT_EQ(PullAll(image_), top);
  EXPECT_TRUE(fs::exists(Blob(image_.layer_digests[1])));
}

TEST_F(HealTest, ABlobWithoutARecordServesTheNextPullAndElseGoes) {
  PullAll(image_);
  TestImage other = MakeImage("127.0.0.1:5000/other:1", "D");
  other.AddTo(machine_.fetcher);
  ASSERT_TRUE(machine_.blobs->Keep(other.layer_digests[0], other.layers[0]).ok());
  const int fetches = machine_.fetcher.num_blob_fetches();
  PullAll(other);
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches + 1) << "only the config";
  ASSERT_TRUE(machine_.blobs->Keep(image::Digest::Of("stray").ToText(), "stray").ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_THAT(CachedDigests(*machine_.blobs), SizeIs(5 + 3));
}

// containerd commits an unpacked layer with the label it prepared it with.
TEST_F(HealTest, AnOrdinaryLayerThatContainerdForgotIsFoundByItsChainId) {
  const TestImage pause = MakeImage("127.0.0.1:5000/pause:1", "xy");
  pause.AddTo(machine_.fetcher);
  const auto unpack = [&](size_t index, const std::string& parent, const std::string& name) {
    const CreateRequest request = pause.Pull(index, parent, Key());
    ASSERT_TRUE(snapshots().Prepare(request).ok());
    ASSERT_TRUE(snapshots().Commit(name, request.key, request.labels).ok());
  };
  unpack(0, "", "k8s.io/2/base");
  unpack(1, "k8s.io/2/base", "k8s.io/4/top");
  ASSERT_TRUE(machine_.Restart().ok());
  ExpectError(snapshots().Prepare(pause.Pull(0, "", Key())), ErrorCode::kAlreadyExists, "is there");
  EXPECT_EQ(Find(pause.chain_ids[0], ""), "k8s.io/2/base");
  ExpectError(snapshots().Prepare(pause.Pull(1, "k8s.io/2/base", Key())), ErrorCode::kAlreadyExists,
              "is there");

  fs::remove_all(machine_.root.snapshot(snapshots().Stat("k8s.io/4/top")->id));
  EXPECT_TRUE(snapshots().Prepare(pause.Pull(1, "k8s.io/2/base", Key())).ok())
      << "a layer without its content is unpacked again";
  ASSERT_TRUE(snapshots().Remove("k8s.io/4/top").ok());
  EXPECT_TRUE(snapshots().Prepare(pause.Pull(1, "k8s.io/2/base", Key())).ok());
}

TEST_F(HealTest, AnActiveSnapshotIsNoLayerToBeFound) {
  const TestImage pause = MakeImage("127.0.0.1:5000/pause:1", "x");
  pause.AddTo(machine_.fetcher);
  ASSERT_TRUE(snapshots().Prepare(pause.Pull(0, "", Key())).ok());
  EXPECT_TRUE(snapshots().Prepare(pause.Pull(0, "", Key())).ok()) << "nobody has committed it";
}

TEST_F(HealTest, RepairHealsAllAtOnceAndNamesWhatItCannot) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("web", image_, top).ok());
  CommitBase("ordinary");
  ASSERT_TRUE(snapshots().Prepare({.key = "job", .parent = "ordinary"}).ok());
  EXPECT_EQ(snapshots().Repair().num_healed, 0U);

  for (const std::string& digest : AllDigests()) fs::remove(Blob(digest));
  fs::remove_all(machine_.root.snapshot(snapshots().Stat(SnapshotOf("web"))->id));
  fs::remove_all(machine_.root.snapshot(snapshots().Stat("job")->id));
  RepairReport report = snapshots().Repair();
  EXPECT_THAT(report.not_healed, IsEmpty());
  EXPECT_EQ(report.num_healed, 5U) << "three layers, a stub, an ordinary directory";
  EXPECT_EQ(machine_.Directories().size(), machine_.NeededDirectories().size());
  EXPECT_THAT(CachedDigests(*machine_.blobs), SizeIs(5));
  EXPECT_EQ(snapshots().Repair().num_healed, 0U);

  fs::remove_all(machine_.root.snapshot(snapshots().Stat("ordinary")->id));
  report = snapshots().Repair();
  EXPECT_EQ(report.num_healed, 0U);
  ASSERT_THAT(report.not_healed, SizeIs(1));
  EXPECT_THAT(report.not_healed[0], HasSubstr("'ordinary': its content is gone"));
}

}  // namespace
}  // namespace locket::snapshotter
