#include "image/sealed/key_packet.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "image/oci/json_object.h"

namespace locket::image {
namespace {

using nlohmann::json;

constexpr std::string_view kPacketVersion = "0.1.0";
constexpr std::string_view kProvider = "kbs";
constexpr std::string_view kWrapType = "A256GCM";
constexpr size_t kTagBytes = 16;

void ExpectText(FieldReader& reader, std::string_view name, std::string_view expected) {
  const std::string text = reader.RequiredText(name);
  if (text != expected) reader.Fail(name, "only '" + std::string(expected) + "' is known here");
}

// "provider_settings" and "annotations": objects we make no use of.
void ExpectObject(FieldReader& reader, std::string_view name) {
  const json value = reader.Optional(name);
  if (!value.is_null() && !value.is_object()) reader.Fail(name, "not an object");
}

std::vector<std::byte> ReadBase64(FieldReader& reader, std::string_view name) {
  auto bytes = Base64Decode(reader.RequiredText(name));
  if (bytes.ok()) return std::move(*bytes);
  reader.Fail(name, bytes.error().message());
  return {};
}

}  // namespace

Result<KeyPacket> DecodeKeyPacket(std::string_view annotation) {
  constexpr std::string_view kDoing = "read key packet";
  if (annotation.size() > kMaxKeyPacketBytes) {
    return Error(ErrorCode::kInvalidArgument, "read key packet: larger than 16384 bytes");
  }
  LOCKET_TRY_ASSIGN(const auto bytes, Base64Decode(annotation).While(kDoing));
  LOCKET_TRY_ASSIGN(
      json document,
      ParseJsonObject(AsText(bytes), {.max_bytes = kMaxKeyPacketBytes}).While(kDoing));
  FieldReader reader(document, "");
  ExpectText(reader, "version", kPacketVersion);
  ExpectText(reader, "provider", kProvider);
  ExpectText(reader, "wrap_type", kWrapType);
  ExpectObject(reader, "provider_settings");
  ExpectObject(reader, "annotations");
  const std::string kid_text = reader.RequiredText("kid");
  const auto iv = ReadBase64(reader, "iv");
  KeyPacket packet{.kid = {}, .iv = {}, .wrapped_data = ReadBase64(reader, "wrapped_data")};
  if (iv.size() != packet.iv.size()) reader.Fail("iv", "not 12 bytes");
  if (packet.wrapped_data.size() <= kTagBytes) reader.Fail("wrapped_data", "too short");
  LOCKET_TRY(reader.FinishStrict().While(kDoing));
  std::ranges::copy(iv, packet.iv.begin());
  LOCKET_TRY_ASSIGN(packet.kid, ResourceName::FromUri(kid_text).While(kDoing));
  return packet;
}

std::string EncodeKeyPacket(const KeyPacket& packet) {
  const json document{
      {"version", kPacketVersion},           {"provider", kProvider},
      {"kid", packet.kid.ToUri()},           {"wrapped_data", Base64Encode(packet.wrapped_data)},
      {"iv", Base64Encode(packet.iv)},       {"wrap_type", kWrapType},
      {"provider_settings", json::object()}, {"annotations", json::object()}};
  return Base64Encode(AsBytes(DumpJson(document)));
}

}  // namespace locket::image
