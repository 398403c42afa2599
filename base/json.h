// JSON that somebody else wrote, for .cpp files alone: this header shows nlohmann-json. Every parse
// of such a text goes through here, so that one rule holds everywhere.
#pragma once

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket {

// Code that walks, prints or destroys a value recurses once for each level.
inline constexpr int kMaxJsonDepth = 32;

struct JsonLimits {
  size_t max_bytes;
  // Values of any kind, counted before one is allocated. A parsed value takes some thirty times as
  // many bytes as the shortest text of a value, so a server that parses for strangers bounds both.
  size_t max_values = std::numeric_limits<size_t>::max();
};

// Returns the value that the whole of `text` is. Never throws.
//
// kInvalidArgument: more bytes or values than `limits` allow, deeper than kMaxJsonDepth, not JSON,
// or an object that names a member twice. Readers differ in which of the two members they take, so
// such a text could mean one thing to who checked it and another to who acts on it.
Result<nlohmann::json> ParseJson(std::string_view text, const JsonLimits& limits);

// The same for a text that is an object. kInvalidArgument: also any other kind of value.
Result<nlohmann::json> ParseJsonObject(std::string_view text, const JsonLimits& limits);

// Returns the text of `value` without white space, members in the order of their names. Never
// throws: a byte that is not part of UTF-8 is written as U+FFFD.
std::string DumpJson(const nlohmann::json& value);

}  // namespace locket
