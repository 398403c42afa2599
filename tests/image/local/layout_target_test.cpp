#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "image/local/local_image.h"
#include "image/oci/media_type.h"
#include "tests/image/local/layout_fixture.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LayoutTargetTest : public LayoutFixture {};

TEST_F(LayoutTargetTest, ATagIsReplacedAndOthersStay) {
  ASSERT_TRUE(WriteLayout("1").ok());
  ASSERT_TRUE(WriteLayout("2").ok());
  manifest_.annotations["new"] = "yes";
  ASSERT_TRUE(WriteLayout("1").ok());
  const auto one = (*Open(At() + ":1"))->GetManifest();
  EXPECT_THAT(one->bytes, HasSubstr("new"));
  EXPECT_EQ(DecodeIndex(*ReadFile(layout() / "index.json", 1 << 20))->manifests.size(), 2U);
  EXPECT_THAT(Open(At()).error().message(), HasSubstr("several images"));
  EXPECT_THAT(Open(At() + ":3").error().message(), HasSubstr("there are: 2, 1"));
  EXPECT_EQ(Open(At() + ":3").error().code(), ErrorCode::kNotFound);
}

TEST_F(LayoutTargetTest, TheTargetRefusesBlobsThatAreNotWhatTheySay) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok()) << target.error().message();
  auto blob = manifest_.layers[0];
  EXPECT_EQ((*target)->PutBlobBytes(blob, std::string(kLayer.size(), 'x')).error().code(),
            ErrorCode::kDataLoss);
  EXPECT_EQ((*target)->PutBlobBytes(blob, "short").error().code(), ErrorCode::kDataLoss);
  const fs::path file = directory_.path() / "blob";
  Write(file, "short");
  const UniqueFd fd = *OpenFile(file, O_RDONLY);
  EXPECT_EQ((*target)->PutBlob(blob, fd.get()).error().code(), ErrorCode::kDataLoss);
  EXPECT_TRUE(fs::is_empty(layout() / "blobs" / "sha256")) << "nothing half-written";
}

TEST_F(LayoutTargetTest, TheTargetMovesAFileItMayTake) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const auto blob = manifest_.layers[0];
  const fs::path stored = layout() / "blobs" / "sha256" / blob.digest.Hex();
  const fs::path file = directory_.path() / "blob";
  Write(file, kLayer);
  struct stat before {};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  ASSERT_TRUE((*target)->TakeBlob(blob, file).ok());
  struct stat after {};
  ASSERT_EQ(::stat(stored.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino) << "moved, not copied";
  EXPECT_EQ(after.st_mode & 07777U, 0644U);
  EXPECT_FALSE(fs::exists(file));
  Write(file, kLayer);
  EXPECT_TRUE((*target)->TakeBlob(blob, file).ok()) << "it has the blob already";
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(LayoutTargetTest, TheTargetCopiesAFileFromElsewhereAndRefusesAWrongOne) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const auto blob = manifest_.layers[0];
  const fs::path file = directory_.path() / "blob";
  Write(file, "short");
  EXPECT_EQ((*target)->TakeBlob(blob, file).error().code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(fs::is_empty(layout() / "blobs" / "sha256"));
  EXPECT_THAT((*target)->TakeBlob(blob, file).error().message(), HasSubstr("No such file"));
  const auto elsewhere = TempDir::Create("/dev/shm", "locket-test-");
  ASSERT_TRUE(elsewhere.ok());
  const fs::path far = elsewhere->path() / "blob";
  Write(far, kLayer);
  ASSERT_TRUE((*target)->TakeBlob(blob, far).ok());
  EXPECT_EQ(*ReadFile(layout() / "blobs" / "sha256" / blob.digest.Hex(), 1U << 20), kLayer);
  EXPECT_FALSE(fs::exists(far));
}

TEST_F(LayoutTargetTest, UmociAndSkopeoUnderstandOurLayout) {
  const fs::path tree = directory_.path() / "tree";
  Write(tree / "file", "content");
  const fs::path tar = directory_.path() / "layer.tar";
  RunTool({"tar", "-C", tree.string(), "-cf", tar.string(), "."});
  const std::string layer = *ReadFile(tar, 1 << 20);
  const auto descriptor = DescriptorOf(kOciLayerTar, layer);
  config_ =
      EncodeImageConfig({.architecture = "amd64", .os = "linux", .diff_ids = {descriptor.digest}});
  manifest_.config = DescriptorOf(kOciConfig, config_);
  manifest_.layers = {descriptor};
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const UniqueFd fd = *OpenFile(tar, O_RDONLY);
  ASSERT_TRUE((*target)->PutBlob(descriptor, fd.get()).ok());
  ASSERT_TRUE((*target)->PutBlobBytes(manifest_.config, config_).ok());
  ASSERT_TRUE((*target)->PutManifest(kOciManifest, EncodeManifest(manifest_)).ok());
  EXPECT_THAT(RunTool({"umoci", "stat", "--image", layout().string() + ":1", "--json"}),
              HasSubstr("history"));
  EXPECT_THAT(RunTool({"skopeo", "inspect", "--raw", At() + ":1"}),
              HasSubstr(descriptor.digest.ToText()));
  // And back: a tag that umoci writes, an archive that skopeo writes.
  RunTool(
      {"umoci", "config", "--image", layout().string() + ":1", "--tag", "2", "--config.user", "5"});
  const auto theirs = Open(At() + ":2");
  ASSERT_TRUE(theirs.ok()) << theirs.error().message();
  const auto manifest = DecodeManifest((*theirs)->GetManifest()->bytes);
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(DecodeImageConfig(*ReadBlob(**theirs, manifest->config, kMaxConfigBytes))->user, "5");
  for (const std::string kind : {"oci-archive:", "docker-archive:"}) {
    const std::string place =
        kind + (directory_.path() / (kind.substr(0, 3) + ".tar")).string() + ":app:1";
    RunTool({"skopeo", "--insecure-policy", "copy", At() + ":1", place});
    const auto source = Open(place);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const auto copied = DecodeManifest((*source)->GetManifest()->bytes);
    ASSERT_TRUE(copied.ok());
    const auto bytes = ReadBlob(**source, copied->layers.at(0), 1 << 20);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message();
  }
}

// The end of a pipe that nobody writes to: who waits for it must be able to give up.

}  // namespace
}  // namespace locket::image
