// Conversion as containerd sees it.
#include <future>

#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/convert_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ConvertPrepareTest, AContainerGetsTheSealedImage) {
  const std::string top = PullAll(image_);
  EXPECT_THAT(machine_.Directories(), IsEmpty()) << "nothing is unpacked";
  const auto mounts = Run("web", image_, top);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", Sealed(image_, "1000:1001"));
  const uint64_t id = snapshots().Stat(SnapshotOf("web"))->id;
  EXPECT_EQ(*ReadFile(machine_.root.rootfs(id) / "etc/passwd", 1 << 20),
            "root:x:0:0\napp:x:1000:1001\n")
      << "containerd looks up the user 'app' there";
}

TEST_F(ConvertPrepareTest, ASecondPullCostsNothingAlsoAfterARestart) {
  const std::string top = PullAll(image_);
  const int fetches = machine_.fetcher.num_blob_fetches();
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_EQ(PullAll(image_), top);
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches);
}

TEST_F(ConvertPrepareTest, APullInterruptedByARestartGoesOn) {
  ExpectError(snapshots().Prepare(image_.Pull(0, "", Key())), ErrorCode::kAlreadyExists, "there");
  ASSERT_TRUE(machine_.Restart().ok());
  EXPECT_NE(PullAll(image_), "");
}

TEST_F(ConvertPrepareTest, ALostBlobIsMadeAgainByThePull) {
  const std::string top = PullAll(image_);
  const std::string lost = snapshots().Stat(top)->layer->digest;
  for (const bool restart : {false, true}) {
    fs::remove(machine_.root.blob(lost));
    if (restart) {
      ASSERT_TRUE(machine_.Restart().ok());
    }
    EXPECT_EQ(PullAll(image_), top);
    EXPECT_TRUE(fs::exists(machine_.root.blob(lost)));
  }
}

TEST_F(ConvertPrepareTest, AContainerWhoseLayersAreLostGetsThemConvertedAgain) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("web", image_, top).ok());
  const Snapshot layer = *snapshots().Stat(top);
  for (const bool restart : {false, true}) {
    for (const std::string& lost :
         {layer.layer->digest, layer.image->manifest_digest, layer.image->config_digest}) {
      fs::remove(machine_.root.blob(lost));
      if (restart) {
        ASSERT_TRUE(machine_.Restart().ok());
      }
      const auto mounts = snapshots().Mounts(SnapshotOf("web"));
      ASSERT_TRUE(mounts.ok()) << mounts.error().message();
      EXPECT_TRUE(fs::exists(machine_.root.blob(lost)));
    }
  }
  // The second and the last are one tar, packed in two ways.
  machine_.fetcher.Forget(image_.layer_digests[1]);
  fs::remove(machine_.root.blob(layer.layer->digest));
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kNotFound,
              "layer " + image_.layer_digests[1]);
}

TEST_F(ConvertPrepareTest, SealedImagesAndExceptionsAreWhatTheyWere) {
  const TestImage sealed = MakeImage("127.0.0.1:5000/sealed:1", "AB");
  sealed.AddTo(machine_.fetcher);
  const std::string top = PullAll(sealed);
  EXPECT_EQ(snapshots().Stat(top)->image->manifest_digest, sealed.manifest_digest());
  const TestImage pause = MakeOrdinaryImage("registry.k8s.io/pause:3.9", {Gzip(TopTar())});
  pause.AddTo(machine_.fetcher);
  const auto prepared = snapshots().Prepare(pause.Pull(0, "", Key()));
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  EXPECT_TRUE(
      snapshots().Prepare({.key = Key(), .labels = {{"containerd.io/snapshot.ref", "x"}}}).ok())
      << "nobody says which image it is";
}

TEST_F(ConvertPrepareTest, ImagesShareTheirLowerLayers) {
  const TestImage base = MakeOrdinaryImage("127.0.0.1:5000/base:1", {Gzip(BaseTar())});
  base.AddTo(machine_.fetcher);
  PullAll(base);
  const int fetches = machine_.fetcher.num_blob_fetches();
  const std::string top = PullAll(image_);
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), fetches + 3) << "config and two other layers";
  EXPECT_TRUE(snapshots().Prepare({.key = "web", .parent = top}).ok());
}

TEST_F(ConvertPrepareTest, LayersOnWhatIsUnpackedAlreadyAreRefusedWithTheWayOut) {
  CommitBase("ordinary");
  ExpectError(snapshots().Prepare(image_.Pull(1, "ordinary", Key())),
              ErrorCode::kFailedPrecondition,
              "are unpacked on this host already, by an image that was not to be converted, or "
              "before any was: remove the images that have them and pull this one again");
  const auto failures = machine_.converter->report().failures;
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].image, image_.reference);
  const TestImage sealed = MakeImage("127.0.0.1:5000/sealed:1", "A");
  sealed.AddTo(machine_.fetcher);
  ExpectError(snapshots().Prepare(image_.Pull(1, PullAll(sealed), Key())),
              ErrorCode::kFailedPrecondition, "on top of layers that are not its own");
}

TEST_F(ConvertPrepareTest, LabelsThatContradictTheImageAreRefused) {
  CreateRequest request = image_.Pull(0, "", Key());
  request.labels["containerd.io/snapshot/cri.layer-digest"] = image_.layer_digests[1];
  ExpectError(snapshots().Prepare(request), ErrorCode::kInvalidArgument, "layer 0 is not");
  request = image_.Pull(0, "", Key());
  request.labels["containerd.io/snapshot.ref"] = image_.chain_ids[1];
  ExpectError(snapshots().Prepare(request), ErrorCode::kInvalidArgument, "is not its layer's");
  EXPECT_THAT(machine_.Names(), IsEmpty());
}

// Breaks every fetch and every write in turn: the pull fails with that reason or not at all, never
// turns into an ordinary snapshot, and works when repeated.
TEST_F(ConvertPrepareTest, WhateverBreaksNoOrdinarySnapshotComesOfALayerToConvert) {
  for (const bool break_store : {false, true}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE((break_store ? "store call " : "fetch ") + std::to_string(nth));
      Machine machine;
      machine.convert.enabled = true;
      image_.AddTo(machine.fetcher);
      ASSERT_TRUE(machine.Restart().ok());
      break_store ? machine.store.FailCall(nth) : machine.fetcher.FailCall(nth);
      const auto pulled = machine.snapshots->Prepare(image_.Pull(0, "", "k/1/extract-1 x"));
      ASSERT_FALSE(pulled.ok()) << "containerd would unpack this";
      if (pulled.error().code() == ErrorCode::kAlreadyExists) {
        EXPECT_GT(nth, break_store ? 1 : 5);
        break;
      }
      ExpectError(pulled, ErrorCode::kUnavailable, "injected");
      EXPECT_THAT(machine.Names(), IsEmpty());
      ASSERT_TRUE(machine.Restart().ok());
      ExpectError(machine.snapshots->Prepare(image_.Pull(0, "", "k/2/extract-1 x")),
                  ErrorCode::kAlreadyExists, "is there");
    }
  }
}

TEST_F(ConvertPrepareTest, ACallerThatGaveUpFindsTheLayerLater) {
  machine_.fetcher.Hold();
  CreateRequest request = image_.Pull(0, "", Key());
  request.gave_up = [] { return true; };
  ExpectError(snapshots().Prepare(request), ErrorCode::kCancelled, "the conversion goes on");
  EXPECT_THAT(machine_.Names(), IsEmpty());
  machine_.fetcher.Release();
  EXPECT_NE(PullAll(image_), "");
  EXPECT_EQ(machine_.fetcher.num_blob_fetches(), 4);
}

TEST_F(ConvertPrepareTest, WhoWaitsForALostLayerMayGiveUpToo) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(snapshots().Prepare({.key = "web", .parent = top}).ok());
  fs::remove(machine_.root.blob(snapshots().Stat(top)->layer->digest));
  machine_.fetcher.Hold();
  const auto gave_up = [] { return true; };
  const std::string why = "the conversion goes on";
  ExpectError(snapshots().Mounts("web", gave_up), ErrorCode::kCancelled, why);
  for (const std::string key : {"a", "b"}) {
    CreateRequest request{.key = key, .parent = top, .gave_up = gave_up};
    ExpectError(key == "a" ? snapshots().Prepare(request) : snapshots().View(request),
                ErrorCode::kCancelled, why);
    ExpectError(snapshots().Stat(key), ErrorCode::kNotFound, "does not exist");
  }
  machine_.fetcher.Release();
  EXPECT_TRUE(snapshots().Mounts("web").ok());
}

TEST_F(ConvertPrepareTest, ConvertedBlobsGoWithTheLastSnapshotAndComeAgain) {
  std::vector<std::string> names;
  for (std::string name = PullAll(image_); !name.empty(); name = snapshots().Stat(name)->parent) {
    names.push_back(name);
  }
  for (const std::string& name : names) {
    EXPECT_THAT(CachedDigests(*machine_.blobs), Not(IsEmpty()));
    ASSERT_TRUE(snapshots().Remove(name).ok());
  }
  EXPECT_THAT(CachedDigests(*machine_.blobs), IsEmpty());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_TRUE(fs::is_empty(machine_.root.converted()));
  EXPECT_NE(PullAll(image_), "");
}

}  // namespace
}  // namespace locket::snapshotter
