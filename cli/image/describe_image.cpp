#include <nlohmann/json.hpp>
#include <sstream>

#include "base/encoding.h"
#include "cli/image/check_image.h"
#include "cli/result_text.h"
#include "image/sealed/key_packet.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

using Json = nlohmann::ordered_json;

// The key's name if the packet can be read at all; only the guest's and `verify`'s opinion counts.
std::string KeyId(const image::SealedLayerInfo& info) {
  const auto packet = image::DecodeKeyPacket(info.key_packet);
  return packet.ok() ? packet->kid.ToUri() : "";
}

void AddSealedFields(const image::SealedLayerInfo& info, Json& layer) {
  layer["encrypted"] = info.encrypted();
  if (info.encrypted()) layer["key_id"] = KeyId(info);
  layer["root_hash"] = HexEncode(info.identity.root_hash);
  layer["salt"] = HexEncode(info.identity.salt);
  layer["data_size"] = info.identity.data_size;
}

Json LayerJson(const image::Descriptor& descriptor) {
  return {{"digest", descriptor.digest.ToText()},
          {"size", descriptor.size},
          {"media_type", descriptor.media_type}};
}

std::string Join(const std::vector<std::string>& words) {
  std::string joined;
  for (const auto& word : words) joined.append(joined.empty() ? "" : " ").append(Printable(word));
  return joined;
}

std::string LayerLine(size_t index, const image::Descriptor& layer, const std::string& kind) {
  std::ostringstream line;
  line << "  " << index << "  " << layer.digest.ToText() << "  " << HumanBytes(layer.size) << "  "
       << kind << "\n";
  return line.str();
}

Json SealedJson(const SealImageReport& report) {
  Json layers = Json::array();
  for (const auto& layer : report.layers) {
    Json entry = LayerJson(layer.descriptor);
    entry["source_diff_id"] = layer.source_diff_id.ToText();
    // SealImage made the annotations, so they parse.
    const auto info = image::ParseSealedLayerInfo(layer.descriptor);
    if (info.ok()) AddSealedFields(*info, entry);
    entry["ignored_xattrs"] = layer.ignored_xattrs;
    layers.push_back(entry);
  }
  return {{"manifest_digest", report.manifest.digest.ToText()},
          {"config_digest", report.config.digest.ToText()},
          {"user", report.user},
          {"layers", layers}};
}

std::string KindOf(const image::SealedLayerInfo& info) {
  return info.encrypted() ? "encrypted, key " + KeyId(info) : "verify-only";
}

}  // namespace

Result<std::string> DescribeImage(const std::string& name, const ImageDocuments& image, bool json) {
  const bool sealed = image::ClaimsToBeSealed(image.manifest);
  std::vector<image::SealedLayerInfo> infos;
  if (sealed) {
    LOCKET_TRY_ASSIGN(infos, image::CheckSealedImage(image.manifest, image.config));
  }
  const auto& config = image.config;
  const std::string digest = image.content.descriptor.digest.ToText();
  const std::string platform = PlatformText(config);
  Json layers = Json::array();
  std::ostringstream lines;
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const auto& layer = image.manifest.layers[i];
    layers.push_back(LayerJson(layer));
    if (sealed) AddSealedFields(infos[i], layers.back());
    lines << LayerLine(i, layer, sealed ? KindOf(infos[i]) : Printable(layer.media_type));
  }
  if (json) {
    return JsonText({{"reference", name},
                     {"manifest_digest", digest},
                     {"config_digest", image.manifest.config.digest.ToText()},
                     {"sealed", sealed},
                     {"platform", platform},
                     {"user", config.user},
                     {"entrypoint", config.entrypoint},
                     {"cmd", config.cmd},
                     {"layers", layers}});
  }
  std::ostringstream text;
  text << "image     " << name << "\nmanifest  " << digest << "\nsealed    "
       << (sealed ? "yes" : "no") << "\nplatform  " << Printable(platform) << "\nuser      "
       << Printable(config.user) << "\nruns      " << Join(config.entrypoint)
       << (config.entrypoint.empty() ? "" : " ") << Join(config.cmd) << "\nlayers\n"
       << lines.str();
  return text.str();
}

std::string DescribeArtifact(const std::string& name, const image::ManifestContent& content,
                             const image::Manifest& manifest, bool json) {
  const std::string digest = content.descriptor.digest.ToText();
  const std::string& type =
      manifest.artifact_type.empty() ? manifest.config.media_type : manifest.artifact_type;
  Json layers = Json::array();
  std::ostringstream lines;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    layers.push_back(LayerJson(manifest.layers[i]));
    lines << LayerLine(i, manifest.layers[i], Printable(manifest.layers[i].media_type));
  }
  if (json) {
    return JsonText({{"reference", name},
                     {"manifest_digest", digest},
                     {"config_digest", manifest.config.digest.ToText()},
                     {"sealed", false},
                     {"artifact_type", type},
                     {"layers", layers}});
  }
  return "image     " + name + "\nmanifest  " + digest + "\nsealed    no\nartifact  " +
         Printable(type) + "\nlayers\n" + lines.str();
}

std::string DescribeSealed(const std::string& target, const SealImageReport& report, bool json) {
  if (!json) return report.manifest.digest.ToText() + "\n";
  Json document{{"target", target}};
  document.update(SealedJson(report));
  return JsonText(document);
}

std::string DescribeSealed(const std::string& target, const SealIndexReport& report, bool json) {
  if (!json) return report.index.digest.ToText() + "\n";
  Json images = Json::array();
  for (const auto& [platform, image] : report.images) {
    Json entry{{"platform", platform}};
    entry.update(SealedJson(image));
    images.push_back(std::move(entry));
  }
  return JsonText(
      {{"target", target}, {"index_digest", report.index.digest.ToText()}, {"images", images}});
}

}  // namespace locket::cli
