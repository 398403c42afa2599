// Numbers of bytes in headers: ranges of a download, and how far an upload has come.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace locket::registry {

// Nothing unless `text` is a decimal number and nothing else.
std::optional<uint64_t> ParseDecimal(std::string_view text);

struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  std::optional<uint64_t> total{};  // nothing: "*"
};

// "bytes 5-9/10" or "bytes 5-9/*". Nothing: anything else.
std::optional<ContentRange> ParseContentRange(std::string_view text);

// Returns how many bytes of an upload have arrived, from a Range header: 100 of "0-99", before
// which some write "bytes=". Nothing: not a range from the beginning.
std::optional<uint64_t> ParseReceived(std::string_view text);

}  // namespace locket::registry
