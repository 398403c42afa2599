// What the tests of ImageOpener share.
#pragma once

#include <gtest/gtest.h>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "device/fake_dm_control.h"
#include "device/fake_mount_control.h"
#include "guest-mounter/fake_key_source.h"
#include "guest-mounter/image_opener.h"
#include "tests/guest-mounter/test_image.h"

namespace locket::guest_mounter {

// A machine of fakes with two layers' disks in it: 1 is verify-only, 2 is encrypted.
class ImageOpenerTest : public ::testing::Test {
 protected:
  ImageOpenerTest() {
    for (const auto& layer : {plain_, encrypted_}) Plug(layer);
    keys_.Put(ResourceName::FromUri(kTestKeyId).value(), kek_);
    disks_.OnAwait([this](std::chrono::milliseconds at_most) { clock_.Advance(at_most); });
  }

  void Plug(const image::Descriptor& layer) {
    disks_.Plug(layer.digest.Hex().substr(0, 32),
                {.path = "/dev/sd-" + layer.digest.Hex().substr(0, 4), .size_bytes = layer.size});
  }

  ImageOpener Opener(initdata::GuestPolicy policy, bool with_keys = true) {
    return ImageOpener({.dm = dm_, .mounts = mounts_, .disks = disks_, .clock = clock_},
                       std::move(policy), with_keys ? &keys_ : nullptr,
                       {.directory = directory_.path() / "layers"});
  }

  static OpenRequest Request(const TestImage& image) {
    return {.manifest = image.manifest, .config = image.config};
  }

  bool NothingIsLeft() {
    std::error_code error;
    const auto layers = directory_.path() / "layers";
    return dm_.devices().empty() && mounts_.mounts().empty() &&
           (!std::filesystem::exists(layers) || std::filesystem::is_empty(layers, error));
  }

  const std::vector<std::byte> kek_ = TestKek();
  const image::Descriptor plain_ = TestLayer(1);
  const image::Descriptor encrypted_ = TestLayer(2, &kek_);
  const TestImage image_ = MakeTestImage({plain_, encrypted_});
  device::FakeDmControl dm_;
  device::FakeMountControl mounts_;
  device::FakeBlockDevices disks_;
  FakeClock clock_;
  FakeKeySource keys_;
  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "opener").value());
};

}  // namespace locket::guest_mounter
