// Manifest and config of the sealed image that is made from an ordinary one. `locket image seal`,
// `locket image measure` and a host that converts images all use these functions, so they get the
// same manifest digest.
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

// kInvalidArgument: `layer` is a foreign layer, which the source of the image does not have to
// keep.
Status CheckNotForeign(const Descriptor& layer);

// Succeeds if each layer is a tar, the config has a diff ID for it, and a guest could mount them
// all. kFailedPrecondition: the image is sealed already. kInvalidArgument: it cannot be sealed or
// could never run; the message has the number of the layer.
Status CheckCanBeSealed(const Manifest& manifest, const ImageConfig& config);

// The two documents as bytes, and their descriptors.
struct SealedDocuments {
  Descriptor manifest;
  Descriptor config;
  std::string manifest_bytes;
  std::string config_bytes;
};

// Makes the documents of the sealed image from those of the ordinary image, `manifest` and
// `config`. `layers` are the descriptors of its sealed layers, bottom first; `user` is the config's
// USER in numbers (ImageAccounts::Resolve). All other members stay as they were. kInvalidArgument:
// the result would break a rule of sealed images; the message says which.
Result<SealedDocuments> MakeSealedDocuments(const Manifest& manifest, const ImageConfig& config,
                                            const std::vector<Descriptor>& layers,
                                            const std::string& user);

}  // namespace locket::image
