#include "snapshotter/convert/converter.h"

#include <future>

#include "tests/snapshotter/cache/cached_digests.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;
using Converted = Result<std::shared_ptr<const ConvertedImage>>;

class ConverterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Restart();
    image_.AddTo(fetcher_);
  }
  void Restart() {
    converter_.reset();
    blobs_.emplace(root_, fetcher_);
    blobs_->SetUsedBy([](const std::string&) { return false; });
    auto opened = Converter::Open(
        {.root = root_, .blobs = *blobs_, .clock = clock_, .options = {.enabled = true}});
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    converter_ = std::move(*opened);
  }

  static OrdinaryImage Ask(const TestImage& image) {
    return {.reference = image.reference,
            .manifest_digest = image::Digest::Of(image.manifest),
            .manifest = *image::DecodeManifest(image.manifest)};
  }
  Converted Convert(const TestImage& image, const Converter::GaveUp& gave_up = {}) {
    return converter_->Convert(Ask(image), gave_up);
  }
  std::future<Converted> ConvertAside(const TestImage& image) {
    return std::async(std::launch::async, [this, image] { return Convert(image); });
  }
  bool NothingIsBeingSealed() const { return fs::is_empty(root_.converting()); }

  TempDir temp_ = std::move(TempDir::Create("/tmp", "converter-")).value();
  RootDirectory root_ = std::move(RootDirectory::Open(temp_.path())).value();
  FakeFetcher fetcher_;
  FakeClock clock_;
  std::optional<BlobCache> blobs_;
  std::unique_ptr<Converter> converter_;
  const TestImage image_ = MakeVariedImage("r.example/app:1");
};

TEST_F(ConverterTest, MakesTheImageThatSealingWouldHavePushed) {
  const auto converted = Convert(image_);
  ASSERT_TRUE(converted.ok()) << converted.error().message();
  const TestImage expected = Sealed(image_, "1000:1001");
  EXPECT_EQ((*converted)->manifest_digest.ToText(), expected.manifest_digest());
  EXPECT_EQ(*blobs_->Read(expected.manifest_digest(), 1 << 20), expected.manifest);
  EXPECT_EQ(*blobs_->Read(expected.config_digest(), 1 << 20), expected.config);
  for (size_t i = 0; i < expected.layers.size(); ++i) {
    EXPECT_EQ(*ReadFile(root_.blob(expected.layer_digests[i]), 64 << 20), expected.layers[i]) << i;
    EXPECT_EQ((*converted)->chain_ids[i].ToText(), image_.chain_ids[i]);
  }
  EXPECT_TRUE(NothingIsBeingSealed());
}

TEST_F(ConverterTest, ALayerThatDependsOnThoseBelowIsTheOneThatSealingMakesOverThem) {
  std::set<std::string> top_layers;
  for (const uint32_t mode : {01777U, 0700U}) {
    const TestImage image = MakeDependentImage("r.example/stack:" + std::to_string(mode), mode);
    image.AddTo(fetcher_);
    const TestImage expected = Sealed(image, "0:0");
    const auto converted = Convert(image);
    ASSERT_TRUE(converted.ok()) << converted.error().message();
    EXPECT_EQ((*converted)->manifest_digest.ToText(), expected.manifest_digest());
    EXPECT_EQ(*ReadFile(root_.blob(expected.layer_digests[1]), 64 << 20), expected.layers[1]);
    top_layers.insert(expected.layer_digests[1]);
  }
  EXPECT_EQ(top_layers.size(), 2U) << "the same tar over two bases";
  EXPECT_TRUE(NothingIsBeingSealed());
  const int fetches = fetcher_.num_blob_fetches();
  Restart();
  ASSERT_TRUE(Convert(MakeDependentImage("r.example/stack:1023", 01777)).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), fetches) << "both are remembered";
}

TEST_F(ConverterTest, KeepsTheSealedBlobsAndNotTheOrdinaryOnes) {
  const auto converted = Convert(image_);
  ASSERT_TRUE(converted.ok());
  ASSERT_TRUE(blobs_->TrimTo({}).ok());
  const TestImage expected = Sealed(image_, "1000:1001");
  std::set<std::string> kept(expected.layer_digests.begin(), expected.layer_digests.end());
  kept.insert({expected.manifest_digest(), expected.config_digest()});
  EXPECT_THAT(CachedDigests(*blobs_), UnorderedElementsAreArray(kept))
      << "nothing refers to them yet, but somebody is about to";
}

TEST_F(ConverterTest, ConvertsALayerOnceHoweverManyAskInHoweverManyImages) {
  const TestImage other = MakeOrdinaryImage("r.example/other:1", {Gzip(BaseTar())});
  other.AddTo(fetcher_);
  fetcher_.Hold();
  std::vector<std::future<Converted>> conversions;
  for (int i = 0; i < 5; ++i) conversions.push_back(ConvertAside(image_));
  conversions.push_back(ConvertAside(other));
  fetcher_.WaitForWaiter();
  fetcher_.Release();
  for (auto& conversion : conversions) {
    const auto converted = conversion.get();
    ASSERT_TRUE(converted.ok()) << converted.error().message();
  }
  EXPECT_EQ(fetcher_.num_blob_fetches(), 5) << "two configs, three different layers";
}

TEST_F(ConverterTest, AConversionOutlivesWhoeverAskedForIt) {
  fetcher_.Hold();
  const auto given_up = Convert(image_, [] { return true; });
  ExpectError(given_up, ErrorCode::kCancelled, "gave up waiting; the conversion goes on");
  fetcher_.Release();
  EXPECT_TRUE(Convert(image_).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), 4) << "config and three layers, once";
}

TEST_F(ConverterTest, ARestartRemembersWhatWasConverted) {
  ASSERT_TRUE(Convert(image_).ok());
  Restart();
  const int fetches = fetcher_.num_blob_fetches();
  ASSERT_TRUE(Convert(image_).ok());
  EXPECT_EQ(fetcher_.num_blob_fetches(), fetches);
}

TEST_F(ConverterTest, ABlobThatIsGoneIsMadeAgain) {
  ASSERT_TRUE(Convert(image_).ok());
  const TestImage expected = Sealed(image_, "1000:1001");
  for (const std::string& lost :
       {expected.layer_digests[1], expected.manifest_digest(), expected.config_digest()}) {
    fs::remove(root_.blob(lost));
    ASSERT_TRUE(Convert(image_).ok()) << lost;
    EXPECT_TRUE(fs::exists(root_.blob(lost)));
  }
  fs::remove(root_.blob(expected.layer_digests[1]));
  Restart();
  ASSERT_TRUE(Convert(image_).ok());
  EXPECT_EQ(*ReadFile(root_.blob(expected.layer_digests[1]), 64 << 20), expected.layers[1]);
}

TEST_F(ConverterTest, StartUpRemovesWhatWasBeingSealed) {
  ASSERT_TRUE(ReplaceFileDurably(root_.converting() / "half", "half").ok());
  Restart();
  EXPECT_TRUE(NothingIsBeingSealed());
}

TEST_F(ConverterTest, CleanupLetsGoOfWhatNobodyAskedForLately) {
  ASSERT_TRUE(Convert(image_).ok());
  clock_.Advance(std::chrono::minutes(9));
  ASSERT_TRUE(converter_->Cleanup().ok());
  EXPECT_EQ(blobs_->TrimTo({})->bytes_left > 0, true) << "a pull may still be under way";
  clock_.Advance(std::chrono::minutes(1));
  ASSERT_TRUE(converter_->Cleanup().ok());
  // The thread that finished the image lets go of it a moment after it said so.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  do {
    ASSERT_TRUE(blobs_->TrimTo({}).ok());
  } while (!CachedDigests(*blobs_).empty() && std::chrono::steady_clock::now() < until);
  EXPECT_THAT(CachedDigests(*blobs_), IsEmpty());
  EXPECT_FALSE(fs::is_empty(root_.converted()));
  ASSERT_TRUE(converter_->Cleanup().ok());
  EXPECT_TRUE(fs::is_empty(root_.converted())) << "a record of a blob that is gone";
}

TEST_F(ConverterTest, AReleasedImageIsTheCachesToKeepOrNot) {
  converter_->Release(Ask(image_).manifest_digest);
  ASSERT_TRUE(Convert(image_).ok());
  converter_->Release(Ask(image_).manifest_digest);
  ASSERT_TRUE(blobs_->TrimTo({}).ok());
  EXPECT_THAT(CachedDigests(*blobs_), IsEmpty());
}

TEST_F(ConverterTest, ALayerThatCannotBeConvertedIsNamedWithItsEntry) {
  TarMaker tar;
  tar.File("good", "g").Add({.name = "bad/../../entry", .data = "b"});
  const TestImage hostile =
      MakeOrdinaryImage("r.example/hostile:1", {Gzip(BaseTar()), Plain(tar.Finish())});
  hostile.AddTo(fetcher_);
  const auto converted = Convert(hostile);
  ExpectError(converted, ErrorCode::kInvalidArgument, "layer " + hostile.layer_digests[1]);
  EXPECT_THAT(converted.error().message(), HasSubstr("bad/../../entry"));
  EXPECT_FALSE(fs::exists(root_.blob(hostile.layer_digests[1]))) << "of no use to anybody";
  EXPECT_TRUE(Convert(image_).ok()) << "others are not held up";
  EXPECT_TRUE(NothingIsBeingSealed());
}

TEST_F(ConverterTest, ATarThatIsNotTheConfigsIsRefused) {
  TestImage wrong = image_;
  auto config = *image::DecodeImageConfig(wrong.config);
  config.diff_ids[2] = image::Digest::Of("another");
  wrong.config = image::EncodeImageConfig(config);
  auto manifest = *image::DecodeManifest(wrong.manifest);
  manifest.config = image::DescriptorOf(image::kOciConfig, wrong.config);
  wrong.manifest = image::EncodeManifest(manifest);
  wrong.AddTo(fetcher_);
  const auto converted = Convert(wrong);
  ExpectError(converted, ErrorCode::kDataLoss, "layer " + wrong.layer_digests[2]);
  EXPECT_THAT(converted.error().message(), HasSubstr("not the config's"));
}

TEST_F(ConverterTest, ImagesThatCannotBeSealedSayWhy) {
  const TestImage lost = MakeOrdinaryImage("r.example/lost:1", {Plain(TopTar())}, "nobody-knows");
  lost.AddTo(fetcher_);
  ExpectError(Convert(lost), ErrorCode::kFailedPrecondition, "no user 'nobody-knows'");
  OrdinaryLayer odd = Plain(TopTar());
  odd.media_type = "application/vnd.oci.image.layer.v1.squashfs";
  const TestImage foreign = MakeOrdinaryImage("r.example/odd:1", {Gzip(BaseTar()), odd});
  foreign.AddTo(fetcher_);
  ExpectError(Convert(foreign), ErrorCode::kInvalidArgument, "layer 1: media type");
  OrdinaryImage huge = Ask(image_);
  huge.manifest.config.size = image::kMaxConfigBytes + 1;
  ExpectError(converter_->Convert(huge, {}), ErrorCode::kInvalidArgument, "over 4 MiB");
}

// Breaks every fetch in turn: the reason is told, and the next try works.
TEST_F(ConverterTest, WhateverFetchBreaksTheNextTryWorks) {
  for (int nth = 1; nth <= 4; ++nth) {
    fs::remove_all(root_.blobs());
    fs::create_directory(root_.blobs());
    Restart();
    fetcher_.FailCall(nth);
    ExpectError(Convert(image_), ErrorCode::kUnavailable, "fetch: injected");
    fetcher_.FailCall(0);
    EXPECT_TRUE(Convert(image_).ok()) << nth;
  }
}

TEST_F(ConverterTest, TheFailureOfAnotherNamesRegistryIsNotOurs) {
  TestImage same = image_;
  same.reference = "mirror.example/app:1";
  fetcher_.ServeOnlyTo(image_.reference);
  fetcher_.Hold();
  auto refused = ConvertAside(same);
  fetcher_.WaitForWaiter();
  auto served = ConvertAside(image_);
  fetcher_.Release();
  ExpectError(refused.get(), ErrorCode::kPermissionDenied, "mirror.example/app:1");
  const auto converted = served.get();
  EXPECT_TRUE(converted.ok()) << converted.error().message();
}

TEST_F(ConverterTest, TheFailureOfAnotherImagesRegistryIsNotOurs) {
  const TestImage poor = MakeOrdinaryImage("poor.example/a:1", {Gzip(BaseTar())});
  const TestImage rich =
      MakeOrdinaryImage("rich.example/b:1", {Plain(BaseTar()), Plain(TopTar())}, "app");
  for (const TestImage* image : {&poor, &rich}) {
    image->AddTo(fetcher_);
    ASSERT_TRUE(blobs_->Ensure(image->reference, Ask(*image).manifest.config).ok());
  }
  fetcher_.ServeOnlyTo(rich.reference);
  fetcher_.Hold();
  auto refused = ConvertAside(poor);
  fetcher_.WaitForWaiter();
  auto served = ConvertAside(rich);
  fetcher_.WaitForWaiters(2);  // its own layer: by now it waits for the common one, too
  fetcher_.Release();
  ExpectError(refused.get(), ErrorCode::kPermissionDenied, "poor.example/a:1");
  const auto converted = served.get();
  EXPECT_TRUE(converted.ok()) << converted.error().message();
}

TEST_F(ConverterTest, ALayerThatCannotBeAdoptedLeavesNothingOnItsWay) {
  const TestImage image = MakeOrdinaryImage("r.example/one:1", {Gzip(BaseTar())});
  image.AddTo(fetcher_);
  const fs::path layer = root_.blob(Sealed(image, "0:0").layer_digests[0]);
  fs::create_directory(layer);  // rename(2) refuses that
  ExpectError(Convert(image), ErrorCode::kInternal, "rename to '" + layer.string());
  EXPECT_TRUE(NothingIsBeingSealed());
  fs::remove(layer);
  EXPECT_TRUE(Convert(image).ok());
}

TEST_F(ConverterTest, ABlobThatCannotBeLookedAtIsMadeAgain) {
  ASSERT_TRUE(Convert(image_).ok());
  const fs::path manifest = root_.blob(Sealed(image_, "1000:1001").manifest_digest());
  fs::remove(manifest);
  fs::create_symlink(manifest, manifest);  // ELOOP
  ASSERT_TRUE(converter_->Cleanup().ok());
  ASSERT_TRUE(Convert(image_).ok());
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(manifest)));
}

TEST_F(ConverterTest, FiguresCountWhatWasConvertedAndWhatWasThere) {
  fetcher_.Hold();
  auto conversion = ConvertAside(image_);
  fetcher_.WaitForWaiter();  // the config
  EXPECT_EQ(converter_->figures().layers_running, 0U);
  fetcher_.Release();
  ASSERT_TRUE(conversion.get().ok());
  const ConvertFigures first = converter_->figures();
  EXPECT_EQ(first.layers_converted, 3U) << "two of the four are one";
  EXPECT_EQ(first.images_converted, 1U);
  EXPECT_EQ(first.layers_waiting + first.layers_running, 0U);
  const TestImage expected = Sealed(image_, "1000:1001");
  EXPECT_EQ(first.sealed_bytes,
            expected.layers[0].size() + expected.layers[1].size() + expected.layers[2].size());
  Restart();
  ASSERT_TRUE(Convert(image_).ok());
  EXPECT_EQ(converter_->figures().layers_known, 3U);
  EXPECT_EQ(converter_->figures().layers_converted, 0U);
}

TEST_F(ConverterTest, TheReportNamesWhatFailedUntilItIsConverted) {
  const auto report = converter_->report();
  EXPECT_TRUE(report.enabled);
  EXPECT_EQ(report.directory, root_.converting());
  EXPECT_GT(report.free_bytes, 0U);
  EXPECT_THAT(report.failures, IsEmpty());
  clock_.Set(std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000)));
  fetcher_.Forget(image_.layer_digests[2]);
  EXPECT_FALSE(Convert(image_).ok());
  auto failures = converter_->report().failures;
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].image, image_.reference);
  EXPECT_THAT(failures[0].problem, HasSubstr("layer " + image_.layer_digests[2]));
  EXPECT_EQ(failures[0].when, clock_.Now());
  EXPECT_EQ(converter_->figures().layers_failed, 1U);
  EXPECT_EQ(converter_->figures().images_failed, 1U);
  converter_->NoteFailure("other:1", Error(ErrorCode::kFailedPrecondition, "unpacked already"));
  converter_->NoteFailure("gone:1", Error(ErrorCode::kCancelled, "gave up"));
  image_.AddTo(fetcher_);
  EXPECT_TRUE(Convert(image_).ok());
  failures = converter_->report().failures;
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].problem, "unpacked already");
}

TEST_F(ConverterTest, TheReportForgetsTheOldestOfTooManyFailures) {
  const auto name = [](int i) { return "r.example/" + std::to_string(i); };
  for (int i = 0; i < 20; ++i) converter_->NoteFailure(name(i), Error(ErrorCode::kInternal, "x"));
  converter_->NoteFailure(name(10), Error(ErrorCode::kInternal, "again"));
  const auto failures = converter_->report().failures;
  ASSERT_EQ(failures.size(), 16U);
  EXPECT_EQ(failures[0].problem, "again");
  EXPECT_EQ(failures[1].image, name(19));
  EXPECT_EQ(failures[15].image, name(4));
}

TEST_F(ConverterTest, StopEndsWhatIsUnderWayAndRefusesTheRest) {
  fetcher_.Hold();
  auto waiting = ConvertAside(image_);
  fetcher_.WaitForWaiter();
  blobs_->Stop();
  converter_->Stop();
  ExpectError(waiting.get(), ErrorCode::kCancelled, "stop");
  ExpectError(Convert(image_), ErrorCode::kCancelled, "stopping");
  Restart();
  fetcher_.Release();
  EXPECT_TRUE(Convert(image_).ok());
}

TEST_F(ConverterTest, WritesTheAccountsOfTheImageThatNamesAreResolvedWith) {
  const auto converted = Convert(image_);
  ASSERT_TRUE(converted.ok());
  std::vector<std::string> layers;
  for (const auto& layer : (*converted)->manifest.layers) layers.push_back(layer.digest.ToText());
  const TempDir etc = TempDir::Create("/tmp", "etc-").value();
  ASSERT_TRUE(converter_->WriteAccounts(layers, etc.path()).ok());
  EXPECT_EQ(*ReadFile(etc.path() / "passwd", 1 << 20), "root:x:0:0\napp:x:1000:1001\n");
  EXPECT_EQ(*ReadFile(etc.path() / "group", 1 << 20), "app:x:7:\n");
  const TempDir empty = TempDir::Create("/tmp", "etc-").value();
  ASSERT_TRUE(converter_->WriteAccounts(std::vector{layers[1]}, empty.path()).ok());
  EXPECT_TRUE(fs::is_empty(empty.path())) << "that layer has none";
  ExpectError(converter_->WriteAccounts(layers, empty.path() / "absent"), ErrorCode::kNotFound,
              "absent/passwd");
}

}  // namespace
}  // namespace locket::snapshotter
