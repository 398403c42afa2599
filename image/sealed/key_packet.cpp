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
constexpr std::string_view kScheme = "kbs:///";
constexpr size_t kTagBytes = 16;
constexpr size_t kMaxSegmentBytes = 128;

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool IsSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegmentBytes && IsWord(text.front()) &&
         std::ranges::all_of(text, [](char c) { return IsWord(c) || c == '.'; });
}

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

Result<ResourceId> ResourceId::FromText(std::string_view text) {
  const auto bad = [&] {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + std::string(text.substr(0, 256)) +
                     "' is not a key id: expected kbs:///REPOSITORY/TYPE/TAG of letters, digits, "
                     "'_', '-' and '.'");
  };
  if (!text.starts_with(kScheme)) return bad();
  const auto path = text.substr(kScheme.size());
  const size_t first = path.find('/');
  const size_t second = first == std::string_view::npos ? first : path.find('/', first + 1);
  if (second == std::string_view::npos) return bad();
  const ResourceId id{.repository = std::string(path.substr(0, first)),
                      .type = std::string(path.substr(first + 1, second - first - 1)),
                      .tag = std::string(path.substr(second + 1))};
  if (!IsSegment(id.repository) || !IsSegment(id.type) || !IsSegment(id.tag)) return bad();
  return id;
}

std::string ResourceId::ToText() const { return std::string(kScheme) + Path(); }

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
  LOCKET_TRY_ASSIGN(packet.kid, ResourceId::FromText(kid_text).While(kDoing));
  return packet;
}

std::string EncodeKeyPacket(const KeyPacket& packet) {
  const json document{
      {"version", kPacketVersion},           {"provider", kProvider},
      {"kid", packet.kid.ToText()},          {"wrapped_data", Base64Encode(packet.wrapped_data)},
      {"iv", Base64Encode(packet.iv)},       {"wrap_type", kWrapType},
      {"provider_settings", json::object()}, {"annotations", json::object()}};
  return Base64Encode(AsBytes(DumpJson(document)));
}

}  // namespace locket::image
