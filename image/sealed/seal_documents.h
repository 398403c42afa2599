// Manifest and config of the sealed image that an ordinary one becomes. Who seals, who measures and
// the host that converts go by the same rule, so that all arrive at one manifest digest.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"

namespace locket::image {

// How many different layers a guest can mount on top of each other: overlayfs takes no more
// (Linux, fs/overlayfs/super.c, OVL_MAX_STACK). A layer that an image has several times counts
// once.
inline constexpr size_t kMaxDifferentLayers = 500;

// kInvalidArgument: a foreign layer, which its image's source need not have.
Status CheckNotForeign(const Descriptor& layer);

// Whether each layer is a tar and the config knows it. kFailedPrecondition: sealed already.
// kInvalidArgument: what cannot be sealed, or could never run; a layer is named by its number.
Status CheckCanBeSealed(const Manifest& manifest, const ImageConfig& config);

struct SealedDocuments {
  Descriptor manifest;
  Descriptor config;
  std::string manifest_bytes;
  std::string config_bytes;
};

// Of the ordinary image `manifest` and `config`, once its layers are sealed: `layers`, bottom
// first. `user` is the config's in numbers (ImageAccounts::Resolve). All else stays as it was.
// kInvalidArgument: not a sealed image after all, and why.
Result<SealedDocuments> MakeSealedDocuments(const Manifest& manifest, const ImageConfig& config,
                                            const std::vector<Descriptor>& layers,
                                            const std::string& user);

}  // namespace locket::image
