// Sealed and ordinary images made of arbitrary bytes: all that the host looks at is sound.
#pragma once

#include <string>
#include <vector>

#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"
#include "snapshotter/snapshots/snapshots.h"

namespace locket::snapshotter {

struct TestImage {
  std::string reference;
  std::string manifest{};  // bytes
  std::string config{};
  std::vector<std::string> layers{};
  std::vector<std::string> layer_digests{};
  std::vector<std::string> chain_ids{};

  std::string manifest_digest() const { return image::Digest::Of(manifest).ToText(); }
  std::string config_digest() const { return image::Digest::Of(config).ToText(); }

  // What containerd's CRI plugin sends when it wants layer `index`.
  CreateRequest Pull(size_t index, const std::string& parent, const std::string& key) const {
    return {.key = key,
            .parent = parent,
            .labels = {{"containerd.io/snapshot.ref", chain_ids.at(index)},
                       {"containerd.io/snapshot/cri.image-ref", reference},
                       {"containerd.io/snapshot/cri.manifest-digest", manifest_digest()},
                       {"containerd.io/snapshot/cri.layer-digest", layer_digests.at(index)},
                       {"containerd.io/snapshot/cri.image-layers", layer_digests.at(index)}}};
  }

  template <typename Registry>
  void AddTo(Registry& registry) const {
    registry.Add(manifest);
    registry.Add(config);
    for (const std::string& layer : layers) registry.Add(layer);
  }
};

inline image::Descriptor SealedDescriptor(char fill, std::string& bytes) {
  image::SealedLayerInfo info{.identity = {.root_hash = {}, .salt = {}, .data_size = 4096 * 3}};
  info.identity.root_hash[0] = static_cast<std::byte>(fill);
  const auto sized = image::SealedLayerDescriptor(info, image::Digest::Of(""));
  bytes.assign(sized->size, fill);
  return *image::SealedLayerDescriptor(info, image::Digest::Of(bytes));
}

inline void AddLayer(TestImage& made, image::Manifest& manifest, const image::Descriptor& layer,
                     std::string bytes) {
  made.layer_digests.push_back(layer.digest.ToText());
  made.layers.push_back(std::move(bytes));
  manifest.layers.push_back(layer);
}

inline void Finish(TestImage& made, image::Manifest& manifest, const std::string& user = "0:0") {
  image::ImageConfig config{.architecture = "amd64", .os = "linux", .diff_ids = {}, .user = user};
  for (const image::Descriptor& layer : manifest.layers) config.diff_ids.push_back(layer.digest);
  made.config = image::EncodeImageConfig(config);
  manifest.config = image::DescriptorOf(image::kOciConfig, made.config);
  made.manifest = image::EncodeManifest(manifest);
  for (const auto& id : image::ChainIds(config.diff_ids)) made.chain_ids.push_back(id.ToText());
}

inline image::Manifest EmptyManifest() {
  return {.media_type = std::string(image::kOciManifest),
          .config = image::DescriptorOf(image::kOciConfig, "{}"),
          .layers = {}};
}

// An ordinary image of these tar archives.
inline TestImage MakeImageOf(const std::string& reference, const std::vector<std::string>& tars) {
  TestImage made{.reference = reference};
  image::Manifest manifest = EmptyManifest();
  for (const std::string& tar : tars) {
    AddLayer(made, manifest, image::DescriptorOf(image::kOciLayerTar, tar), tar);
  }
  Finish(made, manifest);
  return made;
}

// One layer for each character, filled with it. Upper-case ones are sealed layers.
inline TestImage MakeImage(const std::string& reference, const std::string& fills,
                           const std::string& user = "0:0") {
  TestImage made{.reference = reference};
  image::Manifest manifest = EmptyManifest();
  for (const char fill : fills) {
    std::string bytes(5000, fill);
    image::Descriptor layer = image::DescriptorOf(image::kOciLayerTar, bytes);
    if (fill >= 'A' && fill <= 'Z') {
      layer = SealedDescriptor(fill, bytes);
      manifest.annotations[std::string(image::kVersionAnnotation)] = "1";
    }
    AddLayer(made, manifest, layer, std::move(bytes));
  }
  Finish(made, manifest, user);
  return made;
}

}  // namespace locket::snapshotter
