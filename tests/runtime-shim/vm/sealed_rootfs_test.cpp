#include "runtime-shim/vm/sealed_rootfs.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/oci/digest.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class SealedRootfsTest : public ::testing::Test {
 protected:
  SealedRootfsTest() : dir_(TempDir::Create("/tmp", "shim-rootfs").value()) {
    Write("manifest", "the manifest");
    Write("config", "the config");
    Write("layer", "12345678");
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  json Rootfs() const {
    const std::string digest = "sha256:" + std::string(64, 'a');
    return {{"version", 2},
            {"image_ref", "r/app:1"},
            {"manifest_digest", image::Digest::Of("the manifest").ToText()},
            {"manifest_path", Path("manifest")},
            {"config_digest", image::Digest::Of("the config").ToText()},
            {"config_path", Path("config")},
            {"signature_paths", json::array()},
            {"layers",
             {{{"digest", digest}, {"size", 8}, {"media_type", "t"}, {"path", Path("layer")}}}}};
  }
  Result<SealedRootfs> LoadRootfs(const json& rootfs) {
    Write("rootfs.json", rootfs.dump());
    return LoadSealedRootfs({"ro", "dev.locket.rootfs=" + Path("rootfs.json")}, "r/app:1");
  }
  TempDir dir_;
};

TEST_F(SealedRootfsTest, ASealedRootfsIsReadWhole) {
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_TRUE(rootfs.ok()) << rootfs.error().message();
  EXPECT_EQ(rootfs->image_ref, "r/app:1");
  EXPECT_EQ(rootfs->manifest, "the manifest");
  EXPECT_EQ(rootfs->config, "the config");
  ASSERT_EQ(rootfs->layers.size(), 1U);
  EXPECT_EQ(rootfs->layers[0].path, Path("layer"));
}

TEST_F(SealedRootfsTest, AnImageThatIsNotSealedIsNamed) {
  const auto rootfs = LoadSealedRootfs({"rbind", "rw"}, "docker.io/busybox");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(rootfs.error().message(),
              HasSubstr("image 'docker.io/busybox' is not sealed; a confidential VM only runs "
                        "sealed images"));
}

TEST_F(SealedRootfsTest, AContainerWhoseImageTheSnapshotterWasNotAskedForIsRefused) {
  const auto rootfs = LoadSealedRootfs({"dev.locket.rootfs=" + Path("none.json")}, "r/app:1");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(rootfs.error().message(), HasSubstr("does not know which image"));
}

TEST_F(SealedRootfsTest, AManifestOrConfigOfAnotherImageIsRefused) {
  for (const char* document : {"manifest", "config"}) {
    Write(document, "of another image");
    const auto rootfs = LoadRootfs(Rootfs());
    ASSERT_FALSE(rootfs.ok()) << document;
    EXPECT_EQ(rootfs.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(rootfs.error().message(), HasSubstr(Path(document) + "' is sha256:"));
    Write(document, "the " + std::string(document));
  }
}

TEST_F(SealedRootfsTest, AMissingLayerIsNamedByDigestAndPath) {
  std::filesystem::remove(Path("layer"));
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_THAT(rootfs.error().message(), HasSubstr(std::string(64, 'a')));
  EXPECT_THAT(rootfs.error().message(), HasSubstr(Path("layer") + "' is not there; pull"));
}

TEST_F(SealedRootfsTest, ALayerOfAnotherSizeIsRefused) {
  Write("layer", "123");
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(rootfs.error().message(), HasSubstr("has 3 bytes instead of 8"));
}

TEST_F(SealedRootfsTest, DocumentsTooLargeForTheAgentAreRefused) {
  Write("config", std::string(kMaxImageDocuments, 'x'));
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kResourceExhausted);
}

TEST_F(SealedRootfsTest, ARelativeDescriptionIsRefused) {
  const auto rootfs = LoadSealedRootfs({"dev.locket.rootfs=rootfs.json"}, "");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_THAT(rootfs.error().message(), HasSubstr("no absolute path"));
}

}  // namespace
}  // namespace locket::runtime_shim
