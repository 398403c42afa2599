// A container runs by the manifest and config of the image that was asked for, whatever else has
// the same layers.
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/snapshots/sealed_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ContainerRootfsTest : public SealedTest {
 protected:
  void ExpectNotTold(const std::string& id) {
    ExpectError(Told(id), ErrorCode::kNotFound, "rootfs.json");
  }
  // The pods ask by name, as crictl does and older kubelets did.
  void CreateRecordByName(const std::string& id, const TestImage& image, const std::string& name) {
    machine_.containerd.AddContainer("k8s.io", id,
                                     {.image = "127.0.0.1:5000/app:1",
                                      .snapshot_key = id,
                                      .cri_metadata = CriMetadata(image.config_digest(), name)});
  }
};

TEST_F(ContainerRootfsTest, TwoImagesOfEqualLayersRunEachByItsOwnConfig) {
  const std::string top = PullAll(image_);
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC", "1000:1000");
  ASSERT_EQ(other.chain_ids, image_.chain_ids);
  // containerd asks for no layer of the other: it has them all. Neither is it in the registry.
  ASSERT_TRUE(Run("first", image_, top).ok());
  const auto second = Run("second", other, top);
  ASSERT_TRUE(second.ok()) << second.error().message();
  ExpectTold("first", image_);
  ExpectTold("second", other);
}

TEST_F(ContainerRootfsTest, ATagThatMovedToAnotherConfigRunsByTheNewOne) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(Run("before", image_, top).ok());
  // Created of the old image, started after the tag moved: by the name of the old one's ID.
  ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf("late"), .parent = top}).ok());
  CreateRecord("late", image_);
  const TestImage moved = MakeImage(image_.reference, "ABC", "1000:1000");
  const auto after = Run("after", moved, top);
  ASSERT_TRUE(after.ok()) << after.error().message();
  ExpectTold("after", moved);
  const auto late = snapshots().Mounts(SnapshotOf("late"));
  ASSERT_TRUE(late.ok()) << late.error().message();
  ExpectTold("late", image_);
  ASSERT_TRUE(machine_.Restart().ok());
  ASSERT_TRUE(snapshots().Mounts(SnapshotOf("before")).ok());
  ExpectTold("before", image_);
}

// To CRI they are one image under two names, so it gives a container either name.
TEST_F(ContainerRootfsTest, OfTwoManifestsWithOneConfigTheOneAskedForRuns) {
  const std::string top = PullAll(image_);
  TestImage wrapped = image_;
  wrapped.reference = "127.0.0.1:5000/app:2";
  auto manifest = *image::DecodeManifest(image_.manifest);
  manifest.annotations["note"] = "keys wrapped again";
  wrapped.manifest = image::EncodeManifest(manifest);
  for (const TestImage& image : {image_, wrapped}) machine_.containerd.AddImage("k8s.io", image);
  for (const auto& [id, name, image] :
       {std::tuple("a", "127.0.0.1:5000/app:1", &image_),
        std::tuple("b", "127.0.0.1:5000/app:2", &std::as_const(wrapped))}) {
    ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf(id), .parent = top}).ok());
    CreateRecordByName(id, *image, name);
    ASSERT_TRUE(snapshots().Mounts(SnapshotOf(id)).ok());
    ExpectTold(id, *image);
  }
}

TEST_F(ContainerRootfsTest, ABaseRunsThoughAnImageBuiltOnItWasPulledFirst) {
  PullAll(image_);
  const TestImage base = MakeImage("127.0.0.1:5000/base:1", "AB", "7:7");
  const std::string middle = Find(image_.chain_ids[1], Find(image_.chain_ids[0], ""));
  const auto mounts = Run("web", base, middle);
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", base);
}

TEST_F(ContainerRootfsTest, AnImageThatHasOneLayerTwiceRuns) {
  const TestImage twice = MakeImage("127.0.0.1:5000/twice:1", "ABA");
  twice.AddTo(machine_.fetcher);
  const auto mounts = Run("web", twice, PullAll(twice));
  ASSERT_TRUE(mounts.ok()) << mounts.error().message();
  ExpectTold("web", twice);
}

TEST_F(ContainerRootfsTest, NothingIsToldUntilContainerdHasARecord) {
  const std::string top = PullAll(image_);
  machine_.containerd.AddImage("k8s.io", image_);
  ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf("web"), .parent = top}).ok());
  // CRI looks for users before it makes the record.
  ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
  ExpectNotTold("web");
  // A container of this name has another snapshot.
  machine_.containerd.AddContainer("k8s.io", "web",
                                   {.image = image_.reference, .snapshot_key = "other"});
  ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
  ExpectNotTold("web");
  CreateRecord("web", image_);
  ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
  ExpectTold("web", image_);
}

TEST_F(ContainerRootfsTest, AnImageThatCannotBeToldIsRefusedWithTheWayOut) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf("web"), .parent = top}).ok());
  CreateRecord("web", image_);
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kFailedPrecondition,
              "containerd has its image no longer ('127.0.0.1:5000/app:1', '" +
                  image_.config_digest() + "'): pull it again");
  const TestImage moved = MakeImage(image_.reference, "ABC", "1000:1000");
  machine_.containerd.AddImage("k8s.io", moved);
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kFailedPrecondition,
              "'127.0.0.1:5000/app:1' is not the image it was created of any more");
  ExpectNotTold("web");
  machine_.containerd.AddContainer("k8s.io", "web", {.image = "", .snapshot_key = "web"});
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kFailedPrecondition,
              "names no image");
  ExpectNotTold("web");
  EXPECT_FALSE(snapshots().Stat(SnapshotOf("web"))->image_known);
}

TEST_F(ContainerRootfsTest, AnUnsoundManifestIsRefused) {
  const std::string top = PullAll(image_);
  TestImage unsound = image_;
  auto manifest = *image::DecodeManifest(image_.manifest);
  manifest.layers[1].annotations.erase(std::string(image::kRootHashAnnotation));
  unsound.manifest = image::EncodeManifest(manifest);
  ExpectError(Run("web", unsound, top), ErrorCode::kInvalidArgument,
              "image '127.0.0.1:5000/app:1'");
  ExpectNotTold("web");
}

// To containerd the layers are the same: their diff IDs say so.
TEST_F(ContainerRootfsTest, AManifestWithOtherBlobsForTheLayersIsRefused) {
  const std::string top = PullAll(image_);
  TestImage plain = image_;
  auto manifest = *image::DecodeManifest(image_.manifest);
  manifest.annotations.clear();
  for (image::Descriptor& layer : manifest.layers) {
    layer.annotations.clear();
    layer.media_type = image::kOciLayerTar;
  }
  plain.manifest = image::EncodeManifest(manifest);
  ExpectError(Run("web", plain, top), ErrorCode::kFailedPrecondition,
              "it is not to be converted, but its layers were");
  ExpectNotTold("web");
}

// Breaks every call to containerd, and every write, in turn: the start fails with that reason or
// not at all, and works when repeated.
TEST_F(ContainerRootfsTest, WhateverBreaksTheShimIsToldTheTruthOrNothing) {
  const std::string top = PullAll(image_);
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC", "1000:1000");
  machine_.containerd.AddImage("k8s.io", other);
  for (const bool break_store : {false, true}) {
    for (int nth = 1;; ++nth) {
      const std::string id = (break_store ? "s" : "c") + std::to_string(nth);
      SCOPED_TRACE(id);
      ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf(id), .parent = top}).ok());
      CreateRecord(id, other);
      break_store ? machine_.store.FailCall(nth) : machine_.containerd.FailCall(nth);
      const auto mounts = snapshots().Mounts(SnapshotOf(id));
      machine_.store.FailCall(0);
      machine_.containerd.FailCall(0);
      if (mounts.ok()) {
        EXPECT_EQ(nth, break_store ? 2 : 5) << "record, name, manifest, config; one write";
        ExpectTold(id, other);
        break;
      }
      ExpectError(mounts, ErrorCode::kUnavailable, "injected");
      ExpectNotTold(id);
      ASSERT_TRUE(machine_.Restart().ok());
      ASSERT_TRUE(snapshots().Mounts(SnapshotOf(id)).ok());
      ExpectTold(id, other);
    }
  }
}

TEST_F(ContainerRootfsTest, ItsDocumentsStayWithTheContainerAndGoWithIt) {
  const std::string top = PullAll(image_);
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC", "1000:1000");
  ASSERT_TRUE(Run("web", other, top).ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_THAT(CachedDigests(*machine_.blobs), Contains(other.manifest_digest()));
  EXPECT_THAT(CachedDigests(*machine_.blobs), Contains(other.config_digest()));
  ASSERT_TRUE(machine_.Restart().ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  ExpectTold("web", other);
  ASSERT_TRUE(snapshots().Remove(SnapshotOf("web")).ok());
  ASSERT_TRUE(snapshots().Cleanup().ok());
  EXPECT_THAT(CachedDigests(*machine_.blobs), Not(Contains(other.manifest_digest())));
  EXPECT_THAT(CachedDigests(*machine_.blobs), Not(Contains(other.config_digest())));
}

TEST_F(ContainerRootfsTest, LostDocumentsComeFromContainerdAndNeverThoseOfAnotherImage) {
  const std::string top = PullAll(image_);
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC", "1000:1000");
  ASSERT_TRUE(Run("web", other, top).ok());
  for (const std::string& digest : {other.manifest_digest(), other.config_digest()}) {
    fs::remove(machine_.root.blob(digest));
    EXPECT_EQ(snapshots().Repair().num_healed, 1U);
    ExpectTold("web", other);
    fs::remove(machine_.root.blob(digest));
    ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
    ExpectTold("web", other);
  }
  fs::remove(machine_.root.blob(other.manifest_digest()));
  machine_.containerd.AddImage("k8s.io", image_);
  CreateRecord("web", image_);
  ExpectError(snapshots().Mounts(SnapshotOf("web")), ErrorCode::kFailedPrecondition,
              "manifest " + other.manifest_digest() + " is gone");
}

// What a snapshotter of before told of the chain of layers.
TEST_F(ContainerRootfsTest, WhatAnEarlierVersionToldIsReplaced) {
  const std::string top = PullAll(image_);
  ASSERT_TRUE(snapshots().Prepare({.key = SnapshotOf("web"), .parent = top}).ok());
  const uint64_t id = snapshots().Stat(SnapshotOf("web"))->id;
  ASSERT_TRUE(
      ReplaceFileDurably(machine_.root.rootfs_json(id), R"({"version":1,"image_ref":"x"})").ok());
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC", "1000:1000");
  machine_.containerd.AddImage("k8s.io", other);
  CreateRecord("web", other);
  ASSERT_TRUE(snapshots().Mounts(SnapshotOf("web")).ok());
  ExpectTold("web", other);
}

TEST_F(ContainerRootfsTest, WithoutAKeyOfContainerdsNobodyIsAsked) {
  const std::string top = PullAll(image_);
  const int calls = machine_.containerd.num_calls();
  for (const std::string key : {"web", "a/b", "a/b/c", "a//c", "/1/c"}) {
    ASSERT_TRUE(snapshots().Prepare({.key = key, .parent = top}).ok()) << key;
    ASSERT_TRUE(snapshots().Mounts(key).ok()) << key;
  }
  EXPECT_EQ(machine_.containerd.num_calls(), calls + 1) << "of '/1/c'";
}

}  // namespace
}  // namespace locket::snapshotter
