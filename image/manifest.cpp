#include "image/manifest.h"

#include <utility>

#include "image/json_object.h"
#include "image/media_type.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr size_t kMaxIndexEntries = 1024;
constexpr uint64_t kSchemaVersion = 2;

void ReadPlatform(FieldReader& parent, std::optional<Platform>& platform) {
  json value = parent.Optional("platform");
  if (value.is_null()) return;
  FieldReader reader(value, "platform");
  Platform read{.architecture = reader.RequiredText("architecture"),
                .os = reader.RequiredText("os"),
                .variant = reader.Text("variant")};
  read.extra = reader.Rest();
  parent.Adopt(reader);
  platform = std::move(read);
}

// Errors go to `parent`, so that callers need no early return inside loops.
Descriptor ReadDescriptor(json value, FieldReader& parent, const std::string& where) {
  FieldReader reader(value, where);
  Descriptor descriptor{.media_type = reader.RequiredText("mediaType"),
                        .digest = reader.RequiredDigest("digest"),
                        .size = reader.RequiredUint("size"),
                        .annotations = reader.TextMap("annotations")};
  ReadPlatform(reader, descriptor.platform);
  if (descriptor.size > INT64_MAX) reader.Fail("size", "too large");
  descriptor.extra = reader.Rest();
  parent.Adopt(reader);
  return descriptor;
}

std::vector<Descriptor> ReadDescriptors(FieldReader& reader, const std::string& name, size_t most) {
  json list = reader.Required(name);
  std::vector<Descriptor> descriptors;
  if (!list.is_array()) reader.Fail(name, "not a list");
  if (list.size() > most) reader.Fail(name, "more than " + std::to_string(most) + " entries");
  for (size_t i = 0; reader.status().ok() && i < list.size(); ++i) {
    descriptors.push_back(
        ReadDescriptor(std::move(list[i]), reader, name + "[" + std::to_string(i) + "]"));
  }
  return descriptors;
}

void CheckSchemaVersion(FieldReader& reader) {
  if (reader.RequiredUint("schemaVersion") != kSchemaVersion) {
    reader.Fail("schemaVersion", "not 2; push the image again with a current tool");
  }
}

json Object(const std::string& extra) {
  json object = json::parse(extra, nullptr, /*allow_exceptions=*/false);
  return object.is_object() ? object : json::object();
}

json ToJson(const Descriptor& descriptor) {
  json object = Object(descriptor.extra);
  object["mediaType"] = descriptor.media_type;
  object["digest"] = descriptor.digest.ToText();
  object["size"] = descriptor.size;
  if (!descriptor.annotations.empty()) object["annotations"] = descriptor.annotations;
  if (descriptor.platform) {
    json platform = Object(descriptor.platform->extra);
    platform["architecture"] = descriptor.platform->architecture;
    platform["os"] = descriptor.platform->os;
    if (!descriptor.platform->variant.empty()) platform["variant"] = descriptor.platform->variant;
    object["platform"] = std::move(platform);
  }
  return object;
}

json ToJson(const std::vector<Descriptor>& descriptors) {
  json list = json::array();
  for (const auto& descriptor : descriptors) list.push_back(ToJson(descriptor));
  return list;
}

Result<std::string> MediaTypeOf(const json& document) {
  const auto stated = document.find("mediaType");
  const bool has_config = document.contains("config");
  const bool has_manifests = document.contains("manifests");
  // Both at once is an image that two readers would understand differently (CVE-2021-41190).
  if (has_config == has_manifests) {
    return Error(ErrorCode::kInvalidArgument,
                 has_config ? "both a manifest and an index" : "neither a manifest nor an index");
  }
  if (stated == document.end()) return std::string(has_config ? kOciManifest : kOciIndex);
  if (!stated->is_string()) return Error(ErrorCode::kInvalidArgument, "'mediaType': not text");
  auto media_type = stated->get<std::string>();
  if (has_config ? !IsManifest(media_type) : !IsIndex(media_type)) {
    return Error(ErrorCode::kInvalidArgument,
                 "'mediaType': '" + media_type + "' does not go with the document's fields");
  }
  return media_type;
}

}  // namespace

Platform HostPlatform() {
#if defined(__x86_64__)
  return {.architecture = "amd64", .os = "linux"};
#elif defined(__aarch64__)
  return {.architecture = "arm64", .os = "linux"};
#else
#error "which OCI architecture is this?"
#endif
}

Descriptor DescriptorOf(std::string_view media_type, std::string_view bytes) {
  return {.media_type = std::string(media_type), .digest = Digest::Of(bytes), .size = bytes.size()};
}

Result<std::string> DetectMediaType(std::string_view text) {
  LOCKET_TRY_ASSIGN(const json document,
                    ParseJsonObject(text, kMaxManifestBytes).While("read manifest"));
  return MediaTypeOf(document).While("read manifest");
}

Result<Manifest> DecodeManifest(std::string_view text) {
  constexpr std::string_view kDoing = "read manifest";
  LOCKET_TRY_ASSIGN(json document, ParseJsonObject(text, kMaxManifestBytes).While(kDoing));
  LOCKET_TRY_ASSIGN(std::string media_type, MediaTypeOf(document).While(kDoing));
  if (!IsManifest(media_type)) {
    return Error(ErrorCode::kInvalidArgument, "read manifest: this is an index");
  }
  FieldReader reader(document, "");
  CheckSchemaVersion(reader);
  reader.Optional("mediaType");
  Manifest manifest{.media_type = std::move(media_type),
                    .config = ReadDescriptor(reader.Required("config"), reader, "config"),
                    .layers = ReadDescriptors(reader, "layers", kMaxLayers),
                    .annotations = reader.TextMap("annotations")};
  manifest.extra = reader.Rest();
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return manifest;
}

Result<Index> DecodeIndex(std::string_view text) {
  constexpr std::string_view kDoing = "read index";
  LOCKET_TRY_ASSIGN(json document, ParseJsonObject(text, kMaxManifestBytes).While(kDoing));
  LOCKET_TRY_ASSIGN(std::string media_type, MediaTypeOf(document).While(kDoing));
  if (!IsIndex(media_type)) {
    return Error(ErrorCode::kInvalidArgument, "read index: this is a manifest");
  }
  FieldReader reader(document, "");
  CheckSchemaVersion(reader);
  reader.Optional("mediaType");
  Index index{.media_type = std::move(media_type),
              .manifests = ReadDescriptors(reader, "manifests", kMaxIndexEntries),
              .annotations = reader.TextMap("annotations")};
  index.extra = reader.Rest();
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return index;
}

std::string EncodeManifest(const Manifest& manifest) {
  json object = Object(manifest.extra);
  object["schemaVersion"] = kSchemaVersion;
  object["mediaType"] = manifest.media_type;
  object["config"] = ToJson(manifest.config);
  object["layers"] = ToJson(manifest.layers);
  if (!manifest.annotations.empty()) object["annotations"] = manifest.annotations;
  return DumpJson(object);
}

std::string EncodeIndex(const Index& index) {
  json object = Object(index.extra);
  object["schemaVersion"] = kSchemaVersion;
  object["mediaType"] = index.media_type;
  object["manifests"] = ToJson(index.manifests);
  if (!index.annotations.empty()) object["annotations"] = index.annotations;
  return DumpJson(object);
}

Result<Descriptor> SelectPlatform(const Index& index, const Platform& platform) {
  const Descriptor* any = nullptr;
  std::string there;
  for (const auto& entry : index.manifests) {
    if (!IsManifest(entry.media_type)) continue;
    if (!entry.platform) {
      if (any == nullptr) any = &entry;
      continue;
    }
    const bool fits =
        entry.platform->os == platform.os && entry.platform->architecture == platform.architecture;
    const bool variant_fits =
        platform.variant.empty() || entry.platform->variant == platform.variant;
    if (fits && variant_fits) return entry;
    there += (there.empty() ? "" : ", ") + entry.platform->os + "/" + entry.platform->architecture;
  }
  if (any != nullptr) return *any;
  return Error(ErrorCode::kNotFound, "no image for " + platform.os + "/" + platform.architecture +
                                         "; there are: " + (there.empty() ? "none" : there));
}

std::vector<Digest> ChainIds(const std::vector<Digest>& diff_ids) {
  std::vector<Digest> chain;
  for (const auto& diff_id : diff_ids) {
    chain.push_back(chain.empty() ? diff_id
                                  : Digest::Of(chain.back().ToText() + " " + diff_id.ToText()));
  }
  return chain;
}

}  // namespace locket::image
