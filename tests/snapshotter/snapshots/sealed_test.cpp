#include <sys/stat.h>

#include <future>

#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/sealed_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(SealedTest, ALayerIsFetchedAndCommittedUnderTheSameParent) {
  const std::string top = PullAll(image_);
  const auto stat = snapshots().Stat(top);
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->labels, image_.Pull(2, "", "").labels);
  EXPECT_EQ(stat->layer->digest, image_.layer_digests[2]);
  EXPECT_EQ(*snapshots().UsageOf(top), (Usage{.size_bytes = image_.layers[2].size(), .inodes = 1}));
  for (const std::string& digest : image_.layer_digests) {
    EXPECT_TRUE(fs::exists(machine_.root.blob(digest)));
  }
  EXPECT_EQ(machine_.fetcher.num_manifest_fetches(), 1);
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), 4) << "three layers and the config";
  EXPECT_THAT(machine_.Directories(), IsEmpty()) << "a sealed layer needs no directory";
}

TEST_F(SealedTest, AContainerGetsAStubAndTheDescriptionOfItsImage) {
  const std::string top = PullAll(image_);
  const auto mounts = Run("web", image_, top);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ASSERT_EQ(mounts->size(), 1U);
  const uint64_t id = snapshots().Stat(SnapshotOf("web"))->id;
  const std::string json = machine_.root.rootfs_json(id);
  EXPECT_THAT(mounts->front(), (Mount{.type = "bind",
                                      .source = machine_.root.rootfs(id),
                                      .options = {"rbind", "rw", "dev.locket.rootfs=" + json}}));
  EXPECT_EQ(*ReadFile(machine_.root.rootfs(id) / "etc/passwd", 100),
            "root:x:0:0:root:/root:/bin/sh\n");
  EXPECT_EQ(*ReadFile(machine_.root.rootfs(id) / "etc/group", 100), "root:x:0:\n");
  EXPECT_EQ(fs::status(json).permissions(), fs::perms(0600));
  ExpectTold("web", image_);
  EXPECT_EQ(snapshots().View({.key = "v", .parent = top})->front().options[1], "ro");
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_EQ(*snapshots().Mounts(SnapshotOf("web")), *mounts);
  EXPECT_GT(snapshots().UsageOf(SnapshotOf("web"))->inodes, 0U);
}

TEST_F(SealedTest, ASecondPullCostsNothing) {
  const std::string top = PullAll(image_);
  const int fetches = machine_.fetcher.num_blob_fetches();
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_EQ(PullAll(image_), top);
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches);
  EXPECT_EQ(machine_.fetcher.num_manifest_fetches(), 1);
}

TEST_F(SealedTest, PullsOfOneLayerAtOnceShareTheDownloadAndTheSnapshot) {
  machine_.fetcher.Hold();
  std::vector<std::future<Result<std::vector<Mount>>>> pulls;
  for (int i = 0; i < 6; ++i) {
    pulls.push_back(std::async(std::launch::async, [this, key = Key()] {
      return snapshots().Prepare(image_.Pull(0, "", key));
    }));
  }
  machine_.fetcher.WaitForWaiter();
  EXPECT_TRUE(snapshots().Prepare({.key = "other"}).ok()) << "a download holds others up";
  machine_.fetcher.Release();
  for (auto& pull : pulls) ExpectError(pull.get(), ErrorCode::kAlreadyExists, "is there");
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), 2) << "the config and the layer";
  Find(image_.chain_ids[0], "");
}

TEST_F(SealedTest, AnOrdinaryImageIsUnpackedAsUsual) {
  const TestImage pause = MakeImage("127.0.0.1:5000/pause:1", "xy");
  pause.AddTo(machine_.fetcher);
  const auto prepared = snapshots().Prepare(pause.Pull(0, "", "extract"));
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  EXPECT_EQ(prepared->front().type, "bind");
  EXPECT_TRUE(fs::is_directory(machine_.root.snapshot(snapshots().Stat("extract")->id)));
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), 0);
  EXPECT_THAT(CachedDigests(*machine_.blobs), IsEmpty());
  EXPECT_TRUE(snapshots()
                  .Prepare({.key = "k/1/extract-2 x",
                            .labels = {{"containerd.io/snapshot.ref", "sha256:x"}}})
                  .ok())
      << "without cri labels";
}

TEST_F(SealedTest, MixedImagesAreRefused) {
  const TestImage mixed = MakeImage("127.0.0.1:5000/mixed:1", "Ax");
  mixed.AddTo(machine_.fetcher);
  ExpectError(snapshots().Prepare(mixed.Pull(0, "", Key())), ErrorCode::kInvalidArgument,
              "sealed image '127.0.0.1:5000/mixed:1'");
  const std::string top = PullAll(image_);
  const TestImage plain = MakeImage("127.0.0.1:5000/plain:1", "x");
  plain.AddTo(machine_.fetcher);
  ExpectError(snapshots().Prepare(plain.Pull(0, top, Key())), ErrorCode::kFailedPrecondition,
              "an ordinary layer of '127.0.0.1:5000/plain:1' on top of a sealed one");
  ASSERT_TRUE(snapshots().Prepare({.key = "a"}).ok());
  ASSERT_TRUE(snapshots().Commit("ordinary", "a", {}).ok());
  ExpectError(snapshots().Prepare(image_.Pull(1, "ordinary", Key())),
              ErrorCode::kFailedPrecondition, "on top of layers that are not its own");
}

TEST_F(SealedTest, WithoutCriLabelsAnUnpackOnSealedLayersIsRefusedWithTheWayOut) {
  const std::string top = PullAll(image_);
  ExpectError(snapshots().Prepare({.key = Key(), .parent = top}), ErrorCode::kFailedPrecondition,
              "disable_snapshot_annotations = false");
  ExpectError(
      snapshots().Prepare(
          {.key = "x", .parent = top, .labels = {{"containerd.io/snapshot.ref", "sha256:zz"}}}),
      ErrorCode::kFailedPrecondition, "disable_snapshot_annotations = false");
  const std::string base = Find(image_.chain_ids[0], "");
  ExpectError(snapshots().Prepare(
                  {.key = Key(), .labels = {{"containerd.io/snapshot.ref", image_.chain_ids[0]}}}),
              ErrorCode::kAlreadyExists, "is there");
  EXPECT_EQ(Find(image_.chain_ids[0], ""), base);
}

TEST_F(SealedTest, LabelsThatContradictTheManifestAreRefused) {
  CreateRequest request = image_.Pull(0, "", Key());
  request.labels["containerd.io/snapshot/cri.layer-digest"] = image_.layer_digests[1];
  ExpectError(snapshots().Prepare(request), ErrorCode::kInvalidArgument, "layer 0 is not");
  request = image_.Pull(0, "", Key());
  request.labels["containerd.io/snapshot.ref"] = image_.chain_ids[1];
  ExpectError(snapshots().Prepare(request), ErrorCode::kInvalidArgument, "is not its layer's");
  request = image_.Pull(0, "", Key());
  request.labels["containerd.io/snapshot/cri.manifest-digest"] = "sha256:../../etc/passwd";
  ExpectError(snapshots().Prepare(request), ErrorCode::kInvalidArgument, "cri.manifest-digest");
  EXPECT_THAT(machine_.Names(), IsEmpty());
}

// Breaks every fetch and every write in turn: the pull fails with that reason or not at all, never
// turns into an ordinary snapshot, and works when repeated.
TEST_F(SealedTest, WhateverBreaksNoOrdinarySnapshotComesOfASealedLayer) {
  for (const bool break_store : {false, true}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE((break_store ? "store call " : "fetch ") + std::to_string(nth));
      Machine machine;
      image_.AddTo(machine.fetcher);
      ASSERT_TRUE(machine.Restart().ok());
      break_store ? machine.store.FailCall(nth) : machine.fetcher.FailCall(nth);
      const auto pulled = machine.snapshots->Prepare(image_.Pull(0, "", "k/1/extract-1 x"));
      ASSERT_FALSE(pulled.ok()) << "containerd would unpack this";
      if (pulled.error().code() == ErrorCode::kAlreadyExists) {
        EXPECT_GT(nth, break_store ? 1 : 3);
        break;
      }
      EXPECT_EQ(pulled.error().code(), ErrorCode::kUnavailable);
      EXPECT_THAT(pulled.error().message(), ::testing::HasSubstr("injected"));
      EXPECT_THAT(machine.Names(), IsEmpty());
      ASSERT_TRUE(machine.Restart().ok());
      ExpectError(machine.snapshots->Prepare(image_.Pull(0, "", "k/2/extract-1 x")),
                  ErrorCode::kAlreadyExists, "is there");
    }
  }
}

TEST_F(SealedTest, WhatARegistryRefusesKeepsItsCode) {
  machine_.fetcher.Forget(image_.layer_digests[0]);
  ExpectError(snapshots().Prepare(image_.Pull(0, "", Key())), ErrorCode::kNotFound,
              "fetch blob " + image_.layer_digests[0]);
  machine_.fetcher.Forget(image_.manifest_digest());
  ASSERT_TRUE(machine_.Restart().ok());
  ExpectError(snapshots().Prepare(image_.Pull(0, "", Key())), ErrorCode::kNotFound,
              "image '127.0.0.1:5000/app:1': fetch manifest");
}

TEST_F(SealedTest, ACommitOnSealedLayersIsRefused) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(snapshots().Prepare({.key = "web", .parent = top}).ok());
  ExpectError(snapshots().Commit("new", "web", {}), ErrorCode::kFailedPrecondition,
              "nothing to commit");
  EXPECT_EQ(snapshots().Stat("web")->kind, Kind::kActive);
}

TEST_F(SealedTest, BlobsGoWithTheirLastSnapshot) {
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "AB");
  other.AddTo(machine_.fetcher);
  const std::string top = PullAll(image_);
  const std::string middle = Find(image_.chain_ids[1], Find(image_.chain_ids[0], ""));
  ASSERT_TRUE(snapshots().Prepare({.key = "web", .parent = top}).ok());
  ExpectError(snapshots().Remove(top), ErrorCode::kFailedPrecondition, "cannot remove");
  ASSERT_TRUE(snapshots().Remove("web").ok());
  ASSERT_TRUE(snapshots().Remove(top).ok());
  EXPECT_FALSE(fs::exists(machine_.root.blob(image_.layer_digests[2])));
  EXPECT_TRUE(fs::exists(machine_.root.blob(image_.manifest_digest()))) << "others came with it";
  ASSERT_TRUE(snapshots().Remove(middle).ok());
  ASSERT_TRUE(snapshots().Remove(Find(image_.chain_ids[0], "")).ok());
  EXPECT_THAT(CachedDigests(*machine_.blobs), IsEmpty());
}

TEST_F(SealedTest, CleanupTakesUnreferencedBlobsAndLeavesTheRest) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(machine_.blobs->Keep(image::Digest::Of("stray").ToText(), "stray").ok());
  ASSERT_TRUE(ReplaceFileDurably(machine_.root.ingest() / std::string(64, 'a'), "part").ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_EQ(CachedDigests(*machine_.blobs).size(), 5U) << "three layers, manifest, config";
  EXPECT_TRUE(fs::is_empty(machine_.root.ingest()));
  EXPECT_TRUE(snapshots().Prepare({.key = "web", .parent = top}).ok());
}

TEST_F(SealedTest, ALostLayerIsFetchedFromTheRegistryOfTheImageThatIsPulled) {
  PullAll(image_);
  const TestImage other = MakeImage("mirror.example/other:1", "A", "1000:1000");
  other.AddTo(machine_.fetcher);
  machine_.fetcher.ServeOnlyTo(other.reference);
  fs::remove(machine_.root.blob(image_.layer_digests[0]));
  ExpectError(snapshots().Prepare(other.Pull(0, "", Key())), ErrorCode::kAlreadyExists, "is there");
  EXPECT_TRUE(fs::exists(machine_.root.blob(image_.layer_digests[0])));
  fs::remove(machine_.root.blob(image_.layer_digests[1]));
  ExpectError(snapshots().Prepare(image_.Pull(1, Find(image_.chain_ids[0], ""), Key())),
              ErrorCode::kPermissionDenied, "not for '127.0.0.1:5000/app:1'");
}

TEST_F(SealedTest, TheHostIsToldThatItCannotMountASealedImage) {
  const std::string top = PullAll(image_);
  const std::string why = "`locket image extract` unpacks it";
  for (const std::string key : {"default/7//mnt/image", "k8s.io/8/ctr-images-mount-123-AbC="}) {
    ExpectError(snapshots().View({.key = key, .parent = top}), ErrorCode::kFailedPrecondition, why);
    ExpectError(snapshots().Prepare({.key = key, .parent = top}), ErrorCode::kFailedPrecondition,
                why);
  }
  EXPECT_THAT(machine_.Directories(), IsEmpty());
  CommitBase("ordinary");
  EXPECT_TRUE(snapshots().View({.key = "default/7//mnt/image", .parent = "ordinary"}).ok());
}

}  // namespace
}  // namespace locket::snapshotter
