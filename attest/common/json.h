// JSON from strangers within the limits of the KBS protocol, for the .cpp files of the attest and
// key-broker folders.
//
// Two readers of one text must not understand it differently, and no text may take much more memory
// than it is long. So everything that a guest, a broker or an administrator sent is read here.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/json.h"
#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxJsonBytes = 1U << 20;

// Of a text of `max_bytes`, one value for each so many bytes is accepted, and one more.
inline constexpr size_t kBytesPerJsonValue = 16;

// locket::ParseJson (base/json.h) with both limits made from `max_bytes`.
Result<nlohmann::json> ParseJson(std::string_view text, size_t max_bytes = kMaxJsonBytes);
// As ParseJson. kInvalidArgument also for JSON that is not an object.
Result<nlohmann::json> ParseJsonObject(std::string_view text, size_t max_bytes = kMaxJsonBytes);

// Returns the text under `key` of an object. kInvalidArgument: it is absent or not text; the
// message names the key.
Result<std::string> JsonText(const nlohmann::json& object, std::string_view key);

}  // namespace locket::attest
