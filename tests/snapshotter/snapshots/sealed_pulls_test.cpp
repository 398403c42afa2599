#include "snapshotter/snapshots/sealed_pulls.h"

#include "snapshotter/snapshots/sealed_layers.h"
#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using Pulled = Result<std::optional<PulledLayer>>;

class SealedPullsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    blobs_.SetUsedBy([](const std::string&) { return false; });
    for (const TestImage* image : {&sealed_, &plain_}) image->AddTo(fetcher_);
  }

  // Asks for layer `index` of `image` on top of `below`.
  static Pulled Pull(SealedPulls& pulls, const TestImage& image, size_t index,
                     const Chain& below = {}) {
    const Labels labels = image.Pull(index, "", "key").labels;
    return pulls.Pull({.labels = labels, .chain_id = image.chain_ids[index], .below = below});
  }

  // The record that a caller writes of a pulled layer.
  static SnapshotPtr Record(const PulledLayer& pulled, const TestImage& image, size_t index) {
    return std::make_shared<const Snapshot>(Snapshot{.id = index + 1,
                                                     .kind = Kind::kCommitted,
                                                     .name = "sealed/" + std::to_string(index + 1),
                                                     .created_ns = 1,
                                                     .updated_ns = 1,
                                                     .labels = image.Pull(index, "", "key").labels,
                                                     .image = pulled.image,
                                                     .layer = pulled.layer});
  }

  std::unique_ptr<Converter> MakeConverter() {
    return std::move(*Converter::Open(
        {.root = root_, .blobs = blobs_, .clock = clock_, .options = {.enabled = true}}));
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "sealed-pulls-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  FakeClock clock_;
  BlobCache blobs_{root_, fetcher_};
  SealedPulls pulls_{root_, blobs_, /*converter=*/nullptr};
  const TestImage sealed_ = MakeImage("r.example/app:1", "AB");
  const TestImage plain_ =
      MakeOrdinaryImage("r.example/plain:1", {Gzip(BaseTar()), Zstd(TopTar())});
};

TEST_F(SealedPullsTest, WhatIsPulledStaysWhileTheAnswerLives) {
  {
    const auto pulled = Pull(pulls_, sealed_, 0);
    ASSERT_TRUE(pulled.ok()) << pulled.error().message();
    ASSERT_TRUE(pulled->has_value());
    EXPECT_EQ((*pulled)->layer.digest, sealed_.layer_digests[0]);
    EXPECT_EQ((*pulled)->image.manifest_digest, sealed_.manifest_digest());
    EXPECT_FALSE((*pulled)->conversion);
    ASSERT_TRUE(blobs_.TrimTo({}).ok());
    EXPECT_TRUE(pulls_.AreBlobsThere(*Record(**pulled, sealed_, 0)));
  }
  ASSERT_TRUE(blobs_.TrimTo({}).ok());
  EXPECT_THAT(CachedDigests(blobs_), IsEmpty()) << "no record was written";
}

TEST_F(SealedPullsTest, AnOrdinaryLayerIsLeftToContainerd) {
  const auto pulled = Pull(pulls_, plain_, 0);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  EXPECT_FALSE(pulled->has_value());
  const auto unlabelled = pulls_.Pull({.labels = {}, .chain_id = "c", .below = {}});
  ASSERT_TRUE(unlabelled.ok());
  EXPECT_FALSE(unlabelled->has_value());
}

TEST_F(SealedPullsTest, LabelsThatContradictTheImageAreRefused) {
  const auto first = Pull(pulls_, sealed_, 0);
  ASSERT_TRUE(first.ok());
  const Chain below{Record(**first, sealed_, 0)};
  ASSERT_TRUE(Pull(pulls_, sealed_, 1, below).ok());
  ExpectError(Pull(pulls_, sealed_, 1), ErrorCode::kInvalidArgument, "layer 0 is not");
  ExpectError(Pull(pulls_, sealed_, 0, below), ErrorCode::kInvalidArgument, "layer 1 is not");
  const Labels labels = sealed_.Pull(0, "", "key").labels;
  ExpectError(pulls_.Pull({.labels = labels, .chain_id = "sha256:other", .below = {}}),
              ErrorCode::kInvalidArgument, "chain ID 'sha256:other' is not its layer's");
  const TestImage other = MakeImage("r.example/other:1", "XB");
  other.AddTo(fetcher_);
  ExpectError(Pull(pulls_, other, 1, below), ErrorCode::kFailedPrecondition,
              "on top of layers that are not its own");
  ExpectError(Pull(pulls_, plain_, 1, below), ErrorCode::kFailedPrecondition,
              "on top of a sealed one");
}

TEST_F(SealedPullsTest, AnErrorOfTheRegistryKeepsItsCode) {
  fetcher_.FailCall(1);
  ExpectError(Pull(pulls_, sealed_, 0), ErrorCode::kUnavailable, "image 'r.example/app:1'");
  fetcher_.Forget(sealed_.layer_digests[0]);
  ExpectError(Pull(pulls_, sealed_, 0), ErrorCode::kNotFound, "sealed image 'r.example/app:1'");
}

TEST_F(SealedPullsTest, RefetchAsksTheRegistryOfTheImageThatIsPulledAndThenThatOfTheRecord) {
  const SnapshotPtr layer = Record(**Pull(pulls_, sealed_, 0), sealed_, 0);
  TestImage again = sealed_;
  again.reference = "mirror.example/app:1";
  const Labels labels = again.Pull(0, "", "key").labels;
  for (const char* only : {"mirror.example/app:1", "r.example/app:1"}) {
    FakeFetcher fetcher;
    sealed_.AddTo(fetcher);
    fetcher.ServeOnlyTo(only);
    BlobCache blobs(root_, fetcher);
    SealedPulls pulls(root_, blobs, nullptr);
    fs::remove(root_.blob(layer->layer->digest));
    EXPECT_TRUE(pulls.Refetch(labels, *layer).ok()) << only;
    EXPECT_TRUE(pulls.AreBlobsThere(*layer)) << only;
  }
}

TEST_F(SealedPullsTest, RestoreGetsBackLayerAndDocuments) {
  const SnapshotPtr layer = Record(**Pull(pulls_, sealed_, 0), sealed_, 0);
  for (const std::string& lost :
       {layer->layer->digest, layer->image->manifest_digest, layer->image->config_digest}) {
    fs::remove(root_.blob(lost));
    EXPECT_FALSE(pulls_.AreBlobsThere(*layer));
    ASSERT_TRUE(pulls_.Restore(*layer).ok());
    EXPECT_TRUE(pulls_.AreBlobsThere(*layer));
  }
}

TEST_F(SealedPullsTest, AnImageThatIsConvertedIsLetGoOnceItsLastLayerIsRecorded) {
  const auto converter = MakeConverter();
  SealedPulls pulls(root_, blobs_, converter.get());
  const TestImage expected = Sealed(plain_, "0:0");
  Chain below;
  for (size_t i = 0; i < plain_.layers.size(); ++i) {
    const auto pulled = Pull(pulls, plain_, i, below);
    ASSERT_TRUE(pulled.ok()) << pulled.error().message();
    ASSERT_TRUE((*pulled)->conversion);
    EXPECT_EQ((*pulled)->layer.digest, expected.layer_digests[i]);
    EXPECT_EQ((*pulled)->conversion->is_topmost, i + 1 == plain_.layers.size());
    below.insert(below.begin(), Record(**pulled, plain_, i));
    ASSERT_TRUE(blobs_.TrimTo({}).ok());
    EXPECT_TRUE(pulls.AreBlobsThere(*below.front())) << "the converter still keeps the image";
    pulls.Conclude(**pulled, Ok());
  }
  ASSERT_TRUE(blobs_.TrimTo({}).ok());
  EXPECT_THAT(CachedDigests(blobs_), IsEmpty()) << "records alone keep it from now on";
}

TEST_F(SealedPullsTest, TheOperatorHearsOfAConvertedLayerWhoseRecordWasNotWritten) {
  const auto converter = MakeConverter();
  SealedPulls pulls(root_, blobs_, converter.get());
  const auto pulled = Pull(pulls, plain_, 0);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message();
  pulls.Conclude(**pulled, Error(ErrorCode::kUnavailable, "store: away"));
  const auto failures = converter->report().failures;
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].image, plain_.reference);
  EXPECT_EQ(failures[0].problem, "store: away");
}

}  // namespace
}  // namespace locket::snapshotter
