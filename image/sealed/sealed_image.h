// What makes an image sealed (docs/formats/image.md).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "verity/verify_layer.h"

namespace locket::image {

inline constexpr std::string_view kVersionAnnotation = "dev.locket.version";
inline constexpr std::string_view kFormatAnnotation = "dev.locket.format";
inline constexpr std::string_view kRootHashAnnotation = "dev.locket.verity.root-hash";
inline constexpr std::string_view kSaltAnnotation = "dev.locket.verity.salt";
inline constexpr std::string_view kDataSizeAnnotation = "dev.locket.verity.data-size";
inline constexpr std::string_view kKeyPacketAnnotation =
    "org.opencontainers.image.enc.keys.provider.attestation-agent";

struct SealedLayerInfo {
  verity::LayerIdentity identity;
  std::string key_packet{};  // the annotation as it stands (key_packet.h); empty: not encrypted

  bool encrypted() const { return !key_packet.empty(); }
};

// Returns what the annotations of a sealed layer's descriptor say. kInvalidArgument: not a sealed
// layer, an unknown format, a missing or malformed value, a blob size that does not follow from the
// data size, or a key packet that does not go with the media type.
Result<SealedLayerInfo> ParseSealedLayerInfo(const Descriptor& layer);

// Returns the annotations of a sealed layer. ParseSealedLayerInfo reads the same `info` from them.
std::map<std::string, std::string> SealedLayerAnnotations(const SealedLayerInfo& info);

// Returns the whole descriptor of a sealed layer. kInvalidArgument: no layer can have that data
// size.
Result<Descriptor> SealedLayerDescriptor(const SealedLayerInfo& info, const Digest& blob_digest);

// Returns whether the image is meant to be sealed: a layer is sealed, or the manifest has our
// annotation. False is an ordinary image; true may still be a broken one, which CheckSealedImage
// finds out.
bool ClaimsToBeSealed(const Manifest& manifest);

// Checks every rule of docs/formats/image.md. Returns one entry for each layer, bottom first.
// kInvalidArgument: a rule is broken; the message says which, and in which layer.
Result<std::vector<SealedLayerInfo>> CheckSealedImage(const Manifest& manifest,
                                                      const ImageConfig& config);

}  // namespace locket::image
