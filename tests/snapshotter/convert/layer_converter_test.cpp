#include "snapshotter/convert/layer_converter.h"

#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LayerConverterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    blobs_.SetUsedBy([](const std::string&) { return false; });
    image_.AddTo(fetcher_);
    auto opened = ConvertRecords::Open(root_.converted());
    ASSERT_TRUE(opened.ok());
    records_ = std::move(*opened);
    converter_.emplace(LayerConverterDeps{.root = root_,
                                          .blobs = blobs_,
                                          .records = *records_,
                                          .history = history_,
                                          .stop = stop_.get_token()});
  }
  LayerToConvert Layer() const {
    const auto manifest = image::DecodeManifest(image_.manifest);
    return {.reference = image_.reference,
            .blob = manifest->layers[0],
            .diff_id = image::Digest::Of(BaseTar())};
  }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "layer-converter-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  FakeClock clock_;
  BlobCache blobs_{root_, fetcher_};
  ConvertHistory history_{clock_};
  std::stop_source stop_;
  std::unique_ptr<ConvertRecords> records_;
  std::optional<LayerConverter> converter_;
  const TestImage image_ = MakeOrdinaryImage("r.example/app:1", {Gzip(BaseTar())});
};

TEST_F(LayerConverterTest, LeavesTheSealedBlobItsRecordAndNothingElse) {
  const TestImage expected = Sealed(image_, "0:0");
  const auto pin = converter_->Convert(Layer());
  ASSERT_TRUE(pin.ok()) << pin.error().message();
  EXPECT_THAT(CachedDigests(blobs_), ElementsAre(expected.layer_digests[0]));
  EXPECT_EQ(*ReadFile(root_.blob(expected.layer_digests[0]), 64 << 20), expected.layers[0]);
  const auto record = records_->Find(Layer().diff_id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->blob_digest.ToText(), expected.layer_digests[0]);
  EXPECT_TRUE(fs::is_empty(root_.converting()));
  EXPECT_EQ(history_.figures().layers_converted, 1U);
  EXPECT_EQ(history_.figures().sealed_bytes, expected.layers[0].size());
}

TEST_F(LayerConverterTest, ALayerThatIsRecordedIsNotFetchedAgainUnlessItsBlobIsGone) {
  ASSERT_TRUE(converter_->Convert(Layer()).ok());
  ASSERT_TRUE(converter_->Convert(Layer()).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 1);
  EXPECT_EQ(history_.figures().layers_known, 1U);
  ASSERT_TRUE(blobs_.TrimTo({}).ok());
  ASSERT_TRUE(converter_->Convert(Layer()).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 2);
  EXPECT_EQ(history_.figures().layers_converted, 2U);
}

TEST_F(LayerConverterTest, ThePinKeepsTheSealedBlob) {
  auto pin = converter_->Convert(Layer());
  ASSERT_TRUE(pin.ok());
  ASSERT_TRUE(blobs_.TrimTo({}).ok());
  EXPECT_EQ(CachedDigests(blobs_).size(), 1U);
  pin->reset();
  ASSERT_TRUE(blobs_.TrimTo({}).ok());
  EXPECT_THAT(CachedDigests(blobs_), IsEmpty());
}

TEST_F(LayerConverterTest, ALayerThatIsNotWhatTheConfigSaysLeavesNothing) {
  LayerToConvert layer = Layer();
  layer.diff_id = image::Digest::Of("another tar");
  EXPECT_FALSE(converter_->Convert(layer).ok());
  EXPECT_THAT(CachedDigests(blobs_), IsEmpty()) << "a second try would not help";
  EXPECT_TRUE(fs::is_empty(root_.converting()));
  EXPECT_FALSE(records_->Find(layer.diff_id));
}

TEST_F(LayerConverterTest, AStopKeepsWhatWasFetchedForTheNextTry) {
  ASSERT_TRUE(blobs_.Ensure(image_.reference, Layer().blob).ok());
  stop_.request_stop();
  ExpectError(converter_->Convert(Layer()), ErrorCode::kCancelled, "the snapshotter is stopping");
  EXPECT_THAT(CachedDigests(blobs_), ElementsAre(image_.layer_digests[0]));
  EXPECT_TRUE(fs::is_empty(root_.converting()));
}

TEST_F(LayerConverterTest, AnErrorOfTheRegistryKeepsItsCode) {
  fetcher_.FailCall(1);
  ExpectError(converter_->Convert(Layer()), ErrorCode::kUnavailable, "fetch blob");
}

}  // namespace
}  // namespace locket::snapshotter
