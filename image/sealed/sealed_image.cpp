#include "image/sealed/sealed_image.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"
#include "image/oci/media_type.h"
#include "image/oci/user.h"
#include "image/sealed/key_packet.h"

namespace locket::image {
namespace {

constexpr std::string_view kVersion = "1";
constexpr std::string_view kFormat = "1";

Error Bad(std::string_view annotation, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument,
               "annotation '" + std::string(annotation) + "': " + std::string(why));
}

Result<std::string> Annotation(const Descriptor& layer, std::string_view name) {
  const auto found = layer.annotations.find(std::string(name));
  if (found == layer.annotations.end()) return Bad(name, "missing");
  return found->second;
}

// 32 bytes in hex, as root hash and salt are.
Result<std::array<std::byte, 32>> HexAnnotation(const Descriptor& layer, std::string_view name) {
  LOCKET_TRY_ASSIGN(const std::string text, Annotation(layer, name));
  std::array<std::byte, 32> value{};
  const auto bytes = HexDecode(text);
  if (!bytes.ok() || bytes->size() != value.size())
    return Bad(name, "not 64 lower-case hex digits");
  std::ranges::copy(*bytes, value.begin());
  return value;
}

Result<uint64_t> DataSize(const Descriptor& layer) {
  LOCKET_TRY_ASSIGN(const std::string text, Annotation(layer, kDataSizeAnnotation));
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  // Compared as text: one number has one form here.
  if (std::to_string(value) != text) return Bad(kDataSizeAnnotation, "not a decimal number");
  return value;
}

Result<std::string> KeyPacketText(const Descriptor& layer) {
  const auto found = layer.annotations.find(std::string(kKeyPacketAnnotation));
  const bool has_packet = found != layer.annotations.end();
  if (!IsEncrypted(layer.media_type)) {
    if (has_packet) return Bad(kKeyPacketAnnotation, "on a layer that is not encrypted");
    return std::string();
  }
  if (!has_packet) return Bad(kKeyPacketAnnotation, "missing on an encrypted layer");
  const auto packet = DecodeKeyPacket(found->second);
  if (!packet.ok()) return Bad(kKeyPacketAnnotation, packet.error().message());
  return found->second;
}

std::string LayerName(size_t i) { return "layer " + std::to_string(i); }

}  // namespace

Result<SealedLayerInfo> ParseSealedLayerInfo(const Descriptor& layer) {
  if (!IsSealedLayer(layer.media_type)) {
    return Error(ErrorCode::kInvalidArgument,
                 "media type '" + layer.media_type + "' is not that of a sealed layer");
  }
  LOCKET_TRY_ASSIGN(const std::string format, Annotation(layer, kFormatAnnotation));
  if (format != kFormat) {
    return Bad(kFormatAnnotation, "'" + format + "' is not known here, only '1'");
  }
  LOCKET_TRY_ASSIGN(const auto root_hash, HexAnnotation(layer, kRootHashAnnotation));
  LOCKET_TRY_ASSIGN(const auto salt, HexAnnotation(layer, kSaltAnnotation));
  LOCKET_TRY_ASSIGN(const uint64_t data_size, DataSize(layer));
  LOCKET_TRY(verity::LayoutFor(data_size).While("annotation 'dev.locket.verity.data-size'"));
  const auto layout = verity::LayoutFor(data_size, layer.size);
  if (!layout.ok()) return Error(ErrorCode::kInvalidArgument, layout.error().message());
  LOCKET_TRY_ASSIGN(std::string key_packet, KeyPacketText(layer));
  return SealedLayerInfo{.identity = {.root_hash = root_hash, .salt = salt, .data_size = data_size},
                         .key_packet = std::move(key_packet)};
}

std::map<std::string, std::string> SealedLayerAnnotations(const SealedLayerInfo& info) {
  std::map<std::string, std::string> annotations{
      {std::string(kFormatAnnotation), std::string(kFormat)},
      {std::string(kRootHashAnnotation), HexEncode(info.identity.root_hash)},
      {std::string(kSaltAnnotation), HexEncode(info.identity.salt)},
      {std::string(kDataSizeAnnotation), std::to_string(info.identity.data_size)}};
  if (info.encrypted()) annotations.emplace(kKeyPacketAnnotation, info.key_packet);
  return annotations;
}

Result<Descriptor> SealedLayerDescriptor(const SealedLayerInfo& info, const Digest& blob_digest) {
  LOCKET_TRY_ASSIGN(const auto layout, verity::LayoutFor(info.identity.data_size));
  return Descriptor{
      .media_type = std::string(info.encrypted() ? kSealedLayerEncrypted : kSealedLayer),
      .digest = blob_digest,
      .size = layout.blob_size,
      .annotations = SealedLayerAnnotations(info)};
}

bool ClaimsToBeSealed(const Manifest& manifest) {
  return manifest.annotations.contains(std::string(kVersionAnnotation)) ||
         std::ranges::any_of(manifest.layers,
                             [](const auto& layer) { return IsSealedLayer(layer.media_type); });
}

Result<std::vector<SealedLayerInfo>> CheckSealedImage(const Manifest& manifest,
                                                      const ImageConfig& config) {
  const auto bad = [](const std::string& why) {
    return Error(ErrorCode::kInvalidArgument, "not a sealed image: " + why);
  };
  const auto version = manifest.annotations.find(std::string(kVersionAnnotation));
  if (version == manifest.annotations.end()) return bad("no annotation 'dev.locket.version'");
  if (version->second != kVersion) {
    return bad("version '" + version->second + "' is not known here, only '1'");
  }
  if (manifest.media_type != kOciManifest) return bad("its manifest is not an OCI manifest");
  if (manifest.config.media_type != kOciConfig) return bad("its config is not an OCI config");
  if (manifest.layers.empty()) return bad("no layers");
  if (config.diff_ids.size() != manifest.layers.size()) {
    return bad("the config has " + std::to_string(config.diff_ids.size()) +
               " diff IDs for the manifest's " + std::to_string(manifest.layers.size()) +
               " layers");
  }
  const auto user = ParseNumericUser(config.user);
  if (!user.ok()) return bad("config: " + user.error().message());
  std::vector<SealedLayerInfo> layers;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    auto info = ParseSealedLayerInfo(manifest.layers[i]);
    if (!info.ok()) return bad(LayerName(i) + ": " + info.error().message());
    if (config.diff_ids[i] != manifest.layers[i].digest) {
      return bad(LayerName(i) + ": its diff ID is not its digest");
    }
    layers.push_back(std::move(*info));
  }
  return layers;
}

}  // namespace locket::image
