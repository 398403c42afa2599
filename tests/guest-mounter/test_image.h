// Manifests of sealed images as values: no blob behind them, every number in its place.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "image/sealed/sealed_image.h"
#include "initdata/initdata.h"

namespace locket::guest_mounter {

inline constexpr char kTestKeyId[] = "kbs:///test/key/one";

// A verify-only layer, or one whose key packet is wrapped by `kek`. `seed` makes it a different
// one.
image::Descriptor TestLayer(size_t seed, const std::vector<std::byte>* kek = nullptr);

struct TestImage {
  std::string manifest;
  std::string config;

  image::Digest digest() const { return image::Digest::Of(manifest); }
};
TestImage MakeTestImage(const std::vector<image::Descriptor>& layers,
                        const std::vector<std::string>& argv = {"/bin/app"});

initdata::GuestPolicy Pinning(const std::vector<TestImage>& images);

std::vector<std::byte> TestKek();

}  // namespace locket::guest_mounter
