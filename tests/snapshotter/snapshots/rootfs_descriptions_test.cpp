#include "snapshotter/snapshots/rootfs_descriptions.h"

#include "snapshotter/snapshots/sealed_layers.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;

class RootfsDescriptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string* document : {&image_.manifest, &image_.config}) {
      ASSERT_TRUE(blobs_.Keep(image::Digest::Of(*document).ToText(), *document).ok());
    }
    for (const std::string& layer : image_.layers) {
      ASSERT_TRUE(blobs_.Keep(image::Digest::Of(layer).ToText(), layer).ok());
    }
    ASSERT_TRUE(MakeDirectory(root_.snapshot(9), 0700).ok());
    const auto manifest = image::DecodeManifest(image_.manifest);
    for (const image::Descriptor& layer : manifest->layers) {
      const Snapshot record{.id = chain_.size() + 1,
                            .kind = Kind::kCommitted,
                            .name = "layer",
                            .created_ns = 1,
                            .updated_ns = 1,
                            .image = container_.image,
                            .layer = ToSealedBlob(layer)};
      chain_.insert(chain_.begin(), std::make_shared<const Snapshot>(record));
    }
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "rootfs-descriptions-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  BlobCache blobs_{root_, fetcher_};
  RootfsDescriptions descriptions_{root_, blobs_};
  const TestImage image_ = MakeImage("r.example/app:1", "AB");
  const Snapshot container_{.id = 9,
                            .kind = Kind::kActive,
                            .name = "container",
                            .parent = "layer",
                            .created_ns = 1,
                            .updated_ns = 1,
                            .image = ImageSource{.reference = image_.reference,
                                                 .manifest_digest = image_.manifest_digest(),
                                                 .config_digest = image_.config_digest()},
                            .image_known = true};
  Chain chain_;  // nearest first
};

TEST_F(RootfsDescriptionsTest, DescribesTheImageInTheRecord) {
  EXPECT_FALSE(descriptions_.IsWritten(container_));
  ASSERT_TRUE(descriptions_.Write(container_, chain_).ok());
  EXPECT_TRUE(descriptions_.IsWritten(container_));
  const auto told = image::DecodeRootfsDescription(*ReadFile(root_.rootfs_json(9), 1 << 20));
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->manifest_digest.ToText(), image_.manifest_digest());
  ASSERT_EQ(told->layers.size(), 2U);
  EXPECT_EQ(told->layers[1].path, root_.blob(image_.layer_digests[1]));
  Snapshot other = container_;
  other.image->manifest_digest = image_.config_digest();
  EXPECT_FALSE(descriptions_.IsWritten(other)) << "of another image";
}

TEST_F(RootfsDescriptionsTest, ADamagedFileIsWrittenAgain) {
  ASSERT_TRUE(ReplaceFileDurably(root_.rootfs_json(9), "{").ok());
  EXPECT_FALSE(descriptions_.IsWritten(container_));
  ASSERT_TRUE(descriptions_.Write(container_, chain_).ok());
  EXPECT_TRUE(descriptions_.IsWritten(container_));
}

TEST_F(RootfsDescriptionsTest, SaysWhatIsMissingAndWritesNothing) {
  Chain shorter = chain_;
  shorter.erase(shorter.begin());
  ExpectError(descriptions_.Write(container_, shorter), ErrorCode::kFailedPrecondition,
              "has other layers than those the container was created on");
  fs::remove(root_.blob(image_.layer_digests[0]));
  ExpectError(descriptions_.Write(container_, chain_), ErrorCode::kFailedPrecondition,
              "blob " + image_.layer_digests[0] + " of 'r.example/app:1' is gone from the cache");
  fs::remove(root_.blob(image_.manifest_digest()));
  ExpectError(descriptions_.Write(container_, chain_), ErrorCode::kFailedPrecondition,
              "is missing or damaged");
  EXPECT_FALSE(fs::exists(root_.rootfs_json(9)));
}

}  // namespace
}  // namespace locket::snapshotter
