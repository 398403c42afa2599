// guest_image.h and sealed_rootfs.h: what the shim reads from disk before a boot or a container.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/oci/digest.h"
#include "runtime-shim/guest_image.h"
#include "runtime-shim/sealed_rootfs.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ImageFilesTest : public ::testing::Test {
 protected:
  ImageFilesTest() : dir_(TempDir::Create("/tmp", "shim-image").value()) {
    Write("vmlinuz", "k");
    Write("initramfs.img", "i");
    Write("manifest", "the manifest");
    Write("config", "the config");
    Write("layer", "12345678");
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  json Guest() const {
    return {{"version", 1},
            {"kernel", "vmlinuz"},
            {"initrd", "initramfs.img"},
            {"cmdline", "console=ttyS0"},
            {"measurements", {{"emulated", "00"}}}};
  }
  Result<GuestImage> LoadGuest(const json& guest) {
    Write("guest-image.json", guest.dump());
    return LoadGuestImage(dir_.path());
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

TEST_F(ImageFilesTest, AGuestImageNamesItsFiles) {
  const auto image = LoadGuest(Guest());
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(*image, (GuestImage{.kernel = Path("vmlinuz"),
                                .initrd = Path("initramfs.img"),
                                .cmdline = "console=ttyS0"}));
  EXPECT_EQ(BootCmdline(*image, ""), "console=ttyS0");
  EXPECT_EQ(BootCmdline(*image, "debug=1"), "console=ttyS0 debug=1");
}

TEST_F(ImageFilesTest, ABadGuestImageIsNamedWithItsReason) {
  const auto with = [&](const char* key, const json& value) {
    json guest = Guest();
    guest[key] = value;
    return guest;
  };
  const std::vector<std::pair<json, std::string>> cases{
      {json::array(), "not a JSON object"},
      {with("version", 2), "unknown version"},
      {with("kernel", "none"), "none' is not there"},
      {with("kernel", "../vmlinuz"), "is not a name"},
      {with("initrd", 1), "'initrd' is missing or not a text"},
      {with("cmdline", ""), "'cmdline' is missing"},
  };
  for (const auto& [guest, reason] : cases) {
    const auto image = LoadGuest(guest);
    ASSERT_FALSE(image.ok()) << reason;
    EXPECT_THAT(image.error().message(), HasSubstr(reason));
    EXPECT_THAT(image.error().message(), HasSubstr(dir_.path().string()));
  }
  EXPECT_THAT(LoadGuestImage("/nowhere").error().message(), HasSubstr("/nowhere"));
}

TEST_F(ImageFilesTest, ASealedRootfsIsReadWhole) {
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_TRUE(rootfs.ok()) << rootfs.error().message();
  EXPECT_EQ(rootfs->image_ref, "r/app:1");
  EXPECT_EQ(rootfs->manifest, "the manifest");
  EXPECT_EQ(rootfs->config, "the config");
  ASSERT_EQ(rootfs->layers.size(), 1U);
  EXPECT_EQ(rootfs->layers[0].path, Path("layer"));
}

TEST_F(ImageFilesTest, AnImageThatIsNotSealedIsNamed) {
  const auto rootfs = LoadSealedRootfs({"rbind", "rw"}, "docker.io/busybox");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(rootfs.error().message(),
              HasSubstr("image 'docker.io/busybox' is not sealed; a confidential VM only runs "
                        "sealed images"));
}

TEST_F(ImageFilesTest, AContainerWhoseImageTheSnapshotterWasNotAskedForIsRefused) {
  const auto rootfs = LoadSealedRootfs({"dev.locket.rootfs=" + Path("none.json")}, "r/app:1");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(rootfs.error().message(), HasSubstr("does not know which image"));
}

TEST_F(ImageFilesTest, AManifestOrConfigOfAnotherImageIsRefused) {
  for (const char* document : {"manifest", "config"}) {
    Write(document, "of another image");
    const auto rootfs = LoadRootfs(Rootfs());
    ASSERT_FALSE(rootfs.ok()) << document;
    EXPECT_EQ(rootfs.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(rootfs.error().message(), HasSubstr(Path(document) + "' is sha256:"));
    Write(document, "the " + std::string(document));
  }
}

TEST_F(ImageFilesTest, AMissingLayerIsNamedByDigestAndPath) {
  std::filesystem::remove(Path("layer"));
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_THAT(rootfs.error().message(), HasSubstr(std::string(64, 'a')));
  EXPECT_THAT(rootfs.error().message(), HasSubstr(Path("layer") + "' is not there; pull"));
}

TEST_F(ImageFilesTest, ALayerOfAnotherSizeIsRefused) {
  Write("layer", "123");
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(rootfs.error().message(), HasSubstr("has 3 bytes instead of 8"));
}

TEST_F(ImageFilesTest, DocumentsTooLargeForTheAgentAreRefused) {
  Write("config", std::string(kMaxImageDocuments, 'x'));
  const auto rootfs = LoadRootfs(Rootfs());
  ASSERT_FALSE(rootfs.ok());
  EXPECT_EQ(rootfs.error().code(), ErrorCode::kResourceExhausted);
}

TEST_F(ImageFilesTest, ARelativeDescriptionIsRefused) {
  const auto rootfs = LoadSealedRootfs({"dev.locket.rootfs=rootfs.json"}, "");
  ASSERT_FALSE(rootfs.ok());
  EXPECT_THAT(rootfs.error().message(), HasSubstr("no absolute path"));
}

}  // namespace
}  // namespace locket::runtime_shim
