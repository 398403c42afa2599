#include "image/oci/manifest.h"

#include <utility>

#include "image/oci/json_object.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr size_t kMaxIndexEntries = 1024;
constexpr uint64_t kSchemaVersion = 2;

void ReadPlatform(FieldReader& parent, std::optional<Platform>& platform) {
  json value = parent.Optional("platform");
  if (value.is_null()) return;
  FieldReader reader(value, "platform");
  Platform read{.architecture = reader.Text("architecture"),
                .os = reader.Text("os"),
                .variant = reader.Text("variant"),
                .os_features = reader.TextList("os.features")};
  read.extra = reader.Rest();
  parent.Adopt(reader);
  platform = std::move(read);
}

Descriptor ReadDescriptor(FieldReader& reader) {
  Descriptor descriptor{.media_type = reader.Text("mediaType"),
                        .digest = reader.RequiredDigest("digest"),
                        .size = reader.RequiredUint("size"),
                        .annotations = reader.TextMap("annotations")};
  ReadPlatform(reader, descriptor.platform);
  if (descriptor.size > INT64_MAX) reader.Fail("size", "too large");
  descriptor.extra = reader.Rest();
  return descriptor;
}

// Errors go to `parent`, so that callers need no early return inside loops.
Descriptor ReadDescriptor(json value, FieldReader& parent, const std::string& where) {
  FieldReader reader(value, where);
  Descriptor descriptor = ReadDescriptor(reader);
  parent.Adopt(reader);
  return descriptor;
}

json ReadList(FieldReader& reader, const std::string& name, size_t most) {
  json list = reader.Optional(name);
  if (list.is_null()) return json::array();
  if (!list.is_array()) reader.Fail(name, "not a list");
  if (list.size() > most) reader.Fail(name, "more than " + std::to_string(most) + " entries");
  return reader.status().ok() ? list : json::array();
}

std::vector<Descriptor> ReadLayers(FieldReader& reader) {
  json list = ReadList(reader, "layers", kMaxLayers);
  std::vector<Descriptor> layers;
  for (size_t i = 0; reader.status().ok() && i < list.size(); ++i) {
    layers.push_back(
        ReadDescriptor(std::move(list[i]), reader, "layers[" + std::to_string(i) + "]"));
  }
  return layers;
}

// An entry that cannot be read is kept aside, and spoils nothing else.
void ReadEntries(FieldReader& reader, Index& index) {
  json list = ReadList(reader, "manifests", kMaxIndexEntries);
  for (json& value : list) {
    if (value.is_null()) continue;
    std::string text = DumpJson(value);
    FieldReader entry(value, "");
    Descriptor descriptor = ReadDescriptor(entry);
    if (entry.status().ok()) {
      index.manifests.push_back(std::move(descriptor));
    } else {
      index.unread.push_back({.preceding = index.manifests.size(),
                              .why = entry.status().error().message(),
                              .annotations = std::move(descriptor.annotations),
                              .json = std::move(text)});
    }
  }
}

void CheckSchemaVersion(FieldReader& reader) {
  const uint64_t version = reader.Uint("schemaVersion");
  // Go's tools write 0 where nobody set it, and none of them looks.
  if (version != 0 && version != kSchemaVersion) reader.Fail("schemaVersion", "not 2");
}

json ToJson(const Descriptor& descriptor) {
  json object = ObjectOf(descriptor.extra);
  SetUnlessEmpty(object, "mediaType", descriptor.media_type);
  object["digest"] = descriptor.digest.ToText();
  object["size"] = descriptor.size;
  SetUnlessEmpty(object, "annotations", descriptor.annotations);
  if (descriptor.platform) {
    json platform = ObjectOf(descriptor.platform->extra);
    SetUnlessEmpty(platform, "architecture", descriptor.platform->architecture);
    SetUnlessEmpty(platform, "os", descriptor.platform->os);
    SetUnlessEmpty(platform, "variant", descriptor.platform->variant);
    SetUnlessEmpty(platform, "os.features", descriptor.platform->os_features);
    object["platform"] = std::move(platform);
  }
  return object;
}

json EntriesToJson(const Index& index) {
  json list = json::array();
  auto unread = index.unread.begin();
  const auto put_unread = [&](size_t before) {
    for (; unread != index.unread.end() && unread->preceding <= before; ++unread) {
      list.push_back(json::parse(unread->json, nullptr, /*allow_exceptions=*/false));
    }
  };
  for (size_t i = 0; i < index.manifests.size(); ++i) {
    put_unread(i);
    list.push_back(ToJson(index.manifests[i]));
  }
  put_unread(SIZE_MAX);
  return list;
}

// The media type a document states, "" if none.
Result<std::string> StatedMediaType(const json& document) {
  const auto stated = document.find("mediaType");
  if (stated == document.end() || stated->is_null()) return std::string();
  if (stated->is_string()) return stated->get<std::string>();
  return Error(ErrorCode::kInvalidArgument, "'mediaType': not text");
}

// `if_silent` is the answer if the document tells nothing of its kind; empty: that is an error.
Result<std::string> MediaTypeOf(const json& document, std::string_view if_silent = {}) {
  const auto has = [&](const char* name) {
    const auto found = document.find(name);
    return found != document.end() && !found->is_null();
  };
  const auto version = document.find("schemaVersion");
  if (has("fsLayers") || (version != document.end() && *version == 1)) {
    return Error(ErrorCode::kInvalidArgument,
                 "a Docker schema 1 manifest, which current tools neither write nor read: push "
                 "the image again with a current tool");
  }
  const bool is_manifest = has("config") || has("layers");
  const bool is_index = has("manifests");
  LOCKET_TRY_ASSIGN(const std::string stated, StatedMediaType(document));
  // Both at once is an image that two readers would understand differently (CVE-2021-41190).
  if (is_manifest && is_index) {
    return Error(ErrorCode::kInvalidArgument, "both a manifest and an index");
  }
  if ((IsManifest(stated) && !is_index) || (IsIndex(stated) && !is_manifest)) return stated;
  if (!stated.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "'mediaType': '" + stated + "' does not go with the document's fields");
  }
  if (is_manifest) return std::string(kOciManifest);
  if (is_index) return std::string(kOciIndex);
  if (!if_silent.empty()) return std::string(if_silent);
  return Error(ErrorCode::kInvalidArgument, "neither a manifest nor an index");
}

}  // namespace

Descriptor DescriptorOf(std::string_view media_type, std::string_view bytes) {
  return {.media_type = std::string(media_type), .digest = Digest::Of(bytes), .size = bytes.size()};
}

void Retarget(Descriptor& entry, const Descriptor& target) {
  entry.media_type = target.media_type;
  if (entry.digest == target.digest) return;
  entry.digest = target.digest;
  entry.size = target.size;
  json extra = ObjectOf(entry.extra);
  extra.erase("data");
  extra.erase("urls");
  entry.extra = DumpJson(extra);
}

Result<std::string> DetectMediaType(std::string_view text) {
  LOCKET_TRY_ASSIGN(const json document,
                    ParseJsonObject(text, {.max_bytes = kMaxManifestBytes}).While("read manifest"));
  return MediaTypeOf(document).While("read manifest");
}

Result<Manifest> DecodeManifest(std::string_view text) {
  constexpr std::string_view kDoing = "read manifest";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxManifestBytes}).While(kDoing));
  LOCKET_TRY_ASSIGN(std::string media_type, MediaTypeOf(document).While(kDoing));
  if (!IsManifest(media_type)) {
    return Error(ErrorCode::kInvalidArgument, "read manifest: this is an index");
  }
  FieldReader reader(document, "");
  CheckSchemaVersion(reader);
  reader.Optional("mediaType");
  Manifest manifest{.media_type = std::move(media_type),
                    .config = ReadDescriptor(reader.Required("config"), reader, "config"),
                    .layers = ReadLayers(reader),
                    .artifact_type = reader.Text("artifactType"),
                    .annotations = reader.TextMap("annotations")};
  manifest.extra = reader.Rest();
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return manifest;
}

Result<Index> DecodeIndex(std::string_view text) {
  constexpr std::string_view kDoing = "read index";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxManifestBytes}).While(kDoing));
  LOCKET_TRY_ASSIGN(std::string media_type, MediaTypeOf(document, kOciIndex).While(kDoing));
  if (!IsIndex(media_type)) {
    return Error(ErrorCode::kInvalidArgument, "read index: this is a manifest");
  }
  FieldReader reader(document, "");
  CheckSchemaVersion(reader);
  reader.Optional("mediaType");
  Index index{.media_type = std::move(media_type), .manifests = {}};
  ReadEntries(reader, index);
  index.annotations = reader.TextMap("annotations");
  index.extra = reader.Rest();
  LOCKET_TRY(Status(reader.status()).While(kDoing));
  return index;
}

std::string EncodeManifest(const Manifest& manifest) {
  json object = ObjectOf(manifest.extra);
  object["schemaVersion"] = kSchemaVersion;
  object["mediaType"] = manifest.media_type;
  object["config"] = ToJson(manifest.config);
  object["layers"] = json::array();
  for (const auto& layer : manifest.layers) object["layers"].push_back(ToJson(layer));
  SetUnlessEmpty(object, "artifactType", manifest.artifact_type);
  SetUnlessEmpty(object, "annotations", manifest.annotations);
  return DumpJson(object);
}

std::string EncodeIndex(const Index& index) {
  json object = ObjectOf(index.extra);
  object["schemaVersion"] = kSchemaVersion;
  object["mediaType"] = index.media_type;
  object["manifests"] = EntriesToJson(index);
  SetUnlessEmpty(object, "annotations", index.annotations);
  return DumpJson(object);
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
