// For image/'s .cpp files: gzip in memory, bounded both ways.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::image {

// Returns `plain` as one gzip member. Deterministic: its header has no time and no name.
Result<std::vector<std::byte>> Gzip(std::string_view plain);

// Returns the content of `packed`, which is exactly one gzip member. kDataLoss: it is damaged or
// cut short. kInvalidArgument: more bytes follow the member. kResourceExhausted: the content is
// larger than `max_bytes`; no more than that is unpacked.
Result<std::string> Gunzip(std::span<const std::byte> packed, size_t max_bytes);

}  // namespace locket::image
