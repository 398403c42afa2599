// Text forms of bytes: lower-case hex, base64 and base64url. Decoders take bytes from strangers and
// accept the canonical form alone (RFC 4648): no white space, no stray bits. kInvalidArgument:
// anything else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket {

// The same bytes under another type. What is returned points into the argument.
std::span<const std::byte> AsBytes(std::string_view text);
std::string_view AsText(std::span<const std::byte> bytes);

std::string HexEncode(std::span<const std::byte> bytes);
// Takes an even number of digits 0-9a-f.
Result<std::vector<std::byte>> HexDecode(std::string_view text);

// Standard alphabet with padding.
std::string Base64Encode(std::span<const std::byte> bytes);
Result<std::vector<std::byte>> Base64Decode(std::string_view text);

// URL alphabet without padding (RFC 7515, "base64url").
std::string Base64UrlEncode(std::span<const std::byte> bytes);
Result<std::vector<std::byte>> Base64UrlDecode(std::string_view text);

// Returns a stranger's text in a form fit for an error message: at most `max_bytes` of it, then
// "..." if that is not all, and '?' in place of every byte that is not printable ASCII.
std::string Shortened(std::string_view text, size_t max_bytes = 100);

}  // namespace locket
