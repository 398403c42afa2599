#include "image/sealed/converted_layer.h"

#include <algorithm>

#include "base/encoding.h"
#include "image/oci/json_object.h"
#include "image/sealed/sealed_image.h"

namespace locket::image {
namespace {

using nlohmann::json;

// Counts whatever makes the same tar another blob, too: a record of an older one says nothing.
constexpr uint64_t kVersion = 2;

std::array<std::byte, 32> Read32(FieldReader& reader, std::string_view name) {
  std::array<std::byte, 32> value{};
  const auto bytes = HexDecode(reader.RequiredText(name));
  if (bytes.ok() && bytes->size() == value.size()) {
    std::ranges::copy(*bytes, value.begin());
  } else {
    reader.Fail(name, "not 64 lower-case hex digits");
  }
  return value;
}

std::optional<Digest> ReadOver(FieldReader& reader) {
  const std::string text = reader.Text("over");
  if (text.empty()) return std::nullopt;
  const auto digest = Digest::FromText(text);
  if (!digest.ok()) reader.Fail("over", digest.error().message());
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

bool ReadFlag(FieldReader& reader, std::string_view name) {
  const json value = reader.Required(name);
  if (!value.is_boolean()) reader.Fail(name, "neither true nor false");
  return value.is_boolean() && value.get<bool>();
}

LayerFile ReadAccounts(FieldReader& parent, std::string_view name) {
  json object = parent.Required(name);
  if (!object.is_object()) {
    parent.Fail(name, "not an object");
    return {};
  }
  FieldReader reader(object, std::string(name));
  LayerFile file{.hides_lower = ReadFlag(reader, "hides_lower"), .trouble = reader.Text("trouble")};
  const json content = reader.Optional("content");
  if (content.is_string()) {
    const auto bytes = Base64Decode(content.get<std::string>());
    if (!bytes.ok()) reader.Fail("content", bytes.error().message());
    if (bytes.ok()) file.content.emplace(AsText(*bytes));
  } else if (!content.is_null()) {
    reader.Fail("content", "not a string");
  }
  static_cast<void>(reader.FinishStrict().ok());
  parent.Adopt(reader);
  return file;
}

json FileJson(const LayerFile& file) {
  json object{{"hides_lower", file.hides_lower}};
  if (!file.trouble.empty()) object["trouble"] = file.trouble;
  if (file.content) object["content"] = Base64Encode(AsBytes(*file.content));
  return object;
}

}  // namespace

Digest RecordKey(const Digest& diff_id, const std::optional<Digest>& over) {
  if (!over) return diff_id;
  return Digest::Of("layer " + diff_id.ToText() + " over " + over->ToText());
}

Result<Descriptor> DescriptorOf(const ConvertedLayer& layer) {
  return SealedLayerDescriptor({.identity = layer.identity}, layer.blob_digest);
}

std::string EncodeConvertedLayer(const ConvertedLayer& layer) {
  json document{{"version", kVersion},
                {"diff_id", layer.diff_id.ToText()},
                {"blob_digest", layer.blob_digest.ToText()},
                {"root_hash", HexEncode(layer.identity.root_hash)},
                {"salt", HexEncode(layer.identity.salt)},
                {"data_size", layer.identity.data_size},
                {"passwd", FileJson(layer.accounts.passwd)},
                {"group", FileJson(layer.accounts.group)}};
  if (layer.over) document["over"] = layer.over->ToText();
  return DumpJson(document);
}

Result<ConvertedLayer> DecodeConvertedLayer(std::string_view text) {
  constexpr std::string_view kDoing = "read the record of a converted layer";
  LOCKET_TRY_ASSIGN(json document,
                    ParseJsonObject(text, {.max_bytes = kMaxConvertedLayerBytes}).While(kDoing));
  FieldReader reader(document, "");
  if (reader.RequiredUint("version") != kVersion) reader.Fail("version", "only 2 is known here");
  ConvertedLayer layer{.diff_id = reader.RequiredDigest("diff_id"),
                       .blob_digest = reader.RequiredDigest("blob_digest"),
                       .identity = {.root_hash = Read32(reader, "root_hash"),
                                    .salt = Read32(reader, "salt"),
                                    .data_size = reader.RequiredUint("data_size")},
                       .over = ReadOver(reader),
                       .accounts = {.passwd = ReadAccounts(reader, "passwd"),
                                    .group = ReadAccounts(reader, "group")}};
  LOCKET_TRY(reader.FinishStrict().While(kDoing));
  LOCKET_TRY(DescriptorOf(layer).While(kDoing));
  return layer;
}

}  // namespace locket::image
