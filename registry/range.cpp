#include "registry/range.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace locket::registry {

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash) {
    return {};
  }
  const auto first = ParseDecimal(text.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = ParseDecimal(text.substr(dash + 1, slash - dash - 1));
  const auto total = ParseDecimal(text.substr(slash + 1));
  if (!first || !last || (!total && text.substr(slash + 1) != "*")) return {};
  return ContentRange{.first = *first, .last = *last, .total = total};
}

std::optional<uint64_t> ParseReceived(std::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const auto first = text.substr(0, dash);
  if (first != "0" && first != "bytes=0" && first != "bytes 0") return {};
  const auto last = ParseDecimal(text.substr(std::min(dash + 1, text.size())));
  if (!last || *last == std::numeric_limits<uint64_t>::max()) return {};
  return *last + 1;
}

}  // namespace locket::registry
