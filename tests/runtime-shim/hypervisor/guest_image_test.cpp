#include "runtime-shim/hypervisor/guest_image.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class GuestImageTest : public ::testing::Test {
 protected:
  GuestImageTest() : dir_(TempDir::Create("/tmp", "shim-image").value()) {
    Write("vmlinuz", "k");
    Write("initramfs.img", "i");
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
  TempDir dir_;
};

TEST_F(GuestImageTest, AGuestImageNamesItsFiles) {
  const auto image = LoadGuest(Guest());
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(*image, (GuestImage{.kernel = Path("vmlinuz"),
                                .initrd = Path("initramfs.img"),
                                .cmdline = "console=ttyS0"}));
  EXPECT_EQ(BootCmdline(*image, ""), "console=ttyS0");
  EXPECT_EQ(BootCmdline(*image, "debug=1"), "console=ttyS0 debug=1");
}

TEST_F(GuestImageTest, ABadGuestImageIsNamedWithItsReason) {
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

}  // namespace
}  // namespace locket::runtime_shim
