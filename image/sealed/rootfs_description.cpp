#include "image/sealed/rootfs_description.h"

#include <utility>

#include "image/oci/json_object.h"
#include "image/oci/manifest.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr uint64_t kVersion = 2;
constexpr size_t kMaxPathBytes = 4096;

void CheckPath(FieldReader& reader, std::string_view name, const std::string& path) {
  if (!path.starts_with('/')) reader.Fail(name, "not an absolute path");
  if (path.size() >= kMaxPathBytes) reader.Fail(name, "path too long");
  if (path.find('\0') != std::string::npos) reader.Fail(name, "a zero byte in the path");
}

std::string ReadPath(FieldReader& reader, std::string_view name) {
  std::string path = reader.RequiredText(name);
  CheckPath(reader, name, path);
  return path;
}

std::vector<RootfsLayer> ReadLayers(FieldReader& parent) {
  json list = parent.Required("layers");
  std::vector<RootfsLayer> layers;
  if (!list.is_array() || list.empty()) parent.Fail("layers", "not a list with entries");
  if (list.size() > kMaxLayers) {
    parent.Fail("layers", "more than " + std::to_string(kMaxLayers) + " entries");
  }
  for (size_t i = 0; parent.status().ok() && i < list.size(); ++i) {
    FieldReader reader(list[i], "layers[" + std::to_string(i) + "]");
    layers.push_back({.digest = reader.RequiredDigest("digest"),
                      .size = reader.RequiredUint("size"),
                      .media_type = reader.RequiredText("media_type"),
                      .path = ReadPath(reader, "path")});
    static_cast<void>(reader.FinishStrict().ok());
    parent.Adopt(reader);
  }
  return layers;
}

}  // namespace

Result<RootfsDescription> DecodeRootfsDescription(std::string_view text) {
  constexpr std::string_view kDoing = "read rootfs.json";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxRootfsDescriptionBytes}).While(kDoing));
  FieldReader reader(document, "");
  if (reader.RequiredUint("version") != kVersion) reader.Fail("version", "only 2 is known here");
  RootfsDescription description{.image_ref = reader.RequiredText("image_ref"),
                                .manifest_digest = reader.RequiredDigest("manifest_digest"),
                                .manifest_path = ReadPath(reader, "manifest_path"),
                                .config_digest = reader.RequiredDigest("config_digest"),
                                .config_path = ReadPath(reader, "config_path"),
                                .signature_paths = reader.TextList("signature_paths"),
                                .layers = ReadLayers(reader)};
  for (const auto& path : description.signature_paths) CheckPath(reader, "signature_paths", path);
  LOCKET_TRY(reader.FinishStrict().While(kDoing));
  return description;
}

std::string EncodeRootfsDescription(const RootfsDescription& description) {
  json layers = json::array();
  for (const auto& layer : description.layers) {
    layers.push_back({{"digest", layer.digest.ToText()},
                      {"size", layer.size},
                      {"media_type", layer.media_type},
                      {"path", layer.path}});
  }
  return DumpJson({{"version", kVersion},
                   {"image_ref", description.image_ref},
                   {"manifest_digest", description.manifest_digest.ToText()},
                   {"manifest_path", description.manifest_path},
                   {"config_digest", description.config_digest.ToText()},
                   {"config_path", description.config_path},
                   {"signature_paths", description.signature_paths},
                   {"layers", std::move(layers)}});
}

}  // namespace locket::image
