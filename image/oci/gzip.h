// For image/'s .cpp files: gzip in memory, bounded both ways.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::image {

// Deterministic: no time, no name in the header.
Result<std::vector<std::byte>> Gzip(std::string_view plain);

// Exactly one gzip member. kDataLoss: damaged or cut short. kInvalidArgument: something stands
// after it. kResourceExhausted: more than `max_bytes` come out.
Result<std::string> Gunzip(std::span<const std::byte> packed, size_t max_bytes);

}  // namespace locket::image
