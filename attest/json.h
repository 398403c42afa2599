// JSON from strangers, for the .cpp files of the attest and key-broker folders.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxJsonBytes = 1U << 20;
inline constexpr int kMaxJsonDepth = 32;  // what walks the value afterwards may then recurse

// A value of a few bytes takes some thirty times as many once it is parsed.
inline constexpr size_t kBytesPerJsonValue = 16;

// kInvalidArgument: not JSON, too large, too deep, more values than one for each kBytesPerJsonValue
// of `max_bytes`, or an object that names a member twice, which readers understand differently.
// Never throws.
Result<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes = kMaxJsonBytes);
// The same, and an object.
Result<nlohmann::json> ParseJsonObject(std::string_view text, size_t max_bytes = kMaxJsonBytes);

// The text under `key`. kInvalidArgument: absent, or no text.
Result<std::string> JsonText(const nlohmann::json& object, std::string_view key);

// A stranger's words for an error of ours: cut, and in printable ASCII.
std::string Shortened(std::string_view text, size_t max_bytes = 100);

// Never throws: text that is not UTF-8 is written with replacement characters.
std::string DumpJson(const nlohmann::json& value);

}  // namespace locket::attest
