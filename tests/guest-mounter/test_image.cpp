#include "tests/guest-mounter/test_image.h"

#include <algorithm>

#include "image/oci/media_type.h"
#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {

image::Descriptor TestLayer(size_t seed, const std::vector<std::byte>* kek) {
  image::SealedLayerInfo info{.identity = {.root_hash = {}, .salt = {}, .data_size = 65536}};
  info.identity.root_hash.fill(static_cast<std::byte>(seed));
  info.identity.salt.fill(std::byte{7});
  if (kek != nullptr) {
    Secret wrapping(kek->size());
    std::copy(kek->begin(), kek->end(), wrapping.Reveal().begin());
    const auto packet =
        image::WrapLayerKey(wrapping, ResourceName::FromUri(kTestKeyId).value(),
                            {.key = Secret(image::kLayerKeyBytes), .identity = info.identity});
    info.key_packet = image::EncodeKeyPacket(packet.value());
  }
  return image::SealedLayerDescriptor(info, image::Digest::Of(std::to_string(seed))).value();
}

TestImage MakeTestImage(const std::vector<image::Descriptor>& layers,
                        const std::vector<std::string>& argv) {
  image::ImageConfig config{.architecture = "amd64", .os = "linux", .diff_ids = {}};
  for (const auto& layer : layers) config.diff_ids.push_back(layer.digest);
  config.entrypoint = argv;
  config.user = "0:0";
  std::string text = image::EncodeImageConfig(config);
  const image::Manifest manifest{.media_type = std::string(image::kOciManifest),
                                 .config = image::DescriptorOf(image::kOciConfig, text),
                                 .layers = layers,
                                 .annotations = {{std::string(image::kVersionAnnotation), "1"}}};
  return {.manifest = image::EncodeManifest(manifest), .config = std::move(text)};
}

initdata::GuestPolicy Pinning(const std::vector<TestImage>& images) {
  initdata::GuestPolicy policy;
  for (const auto& one : images) policy.allowed_digests.push_back(one.digest());
  return policy;
}

std::vector<std::byte> TestKek() {
  return std::vector<std::byte>(image::kKekBytes, std::byte{0x42});
}

}  // namespace locket::guest_mounter
