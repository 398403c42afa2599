#include "base/encoding.h"

#include <algorithm>
#include <array>

namespace locket {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode64(std::span<const std::byte> bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int held = 0;
  for (const std::byte byte : bytes) {
    bits = (bits << 8) | std::to_integer<uint32_t>(byte);
    for (held += 8; held >= 6; held -= 6) text.push_back(alphabet[(bits >> (held - 6)) & 63]);
  }
  if (held > 0) text.push_back(alphabet[(bits << (6 - held)) & 63]);
  while (padded && text.size() % 4 != 0) text.push_back('=');
  return text;
}

Result<std::vector<std::byte>> Decode64(std::string_view text, std::string_view alphabet) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const size_t value = alphabet.find(c);
    if (value == std::string_view::npos) {
      return Error(ErrorCode::kInvalidArgument, "not base64: character out of the alphabet");
    }
    bits = (bits << 6) | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::byte>((bits >> held) & 0xff));
    }
  }
  if (held >= 6 || (bits & ((1U << held) - 1)) != 0) {
    return Error(ErrorCode::kInvalidArgument, "not base64: cut short or stray bits");
  }
  return bytes;
}

}  // namespace

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string HexEncode(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    text.push_back(kHex[std::to_integer<size_t>(byte >> 4)]);
    text.push_back(kHex[std::to_integer<size_t>(byte & std::byte{15})]);
  }
  return text;
}

Result<std::vector<std::byte>> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) return Error(ErrorCode::kInvalidArgument, "not hex: odd length");
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const size_t high = kHex.find(text[i]);
    const size_t low = kHex.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return Error(ErrorCode::kInvalidArgument, "not hex: only 0-9 and a-f may stand here");
    }
    bytes.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return bytes;
}

std::string Base64Encode(std::span<const std::byte> bytes) {
  return Encode64(bytes, kStandard, /*padded=*/true);
}

Result<std::vector<std::byte>> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) return Error(ErrorCode::kInvalidArgument, "not base64: cut short");
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return Decode64(text, kStandard);
}

std::string Base64UrlEncode(std::span<const std::byte> bytes) {
  return Encode64(bytes, kUrl, /*padded=*/false);
}

Result<std::vector<std::byte>> Base64UrlDecode(std::string_view text) {
  return Decode64(text, kUrl);
}

std::string Shortened(std::string_view text, size_t max_bytes) {
  std::string out(text.substr(0, max_bytes));
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return text.size() > max_bytes ? out + "..." : out;
}

}  // namespace locket
