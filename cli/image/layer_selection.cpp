#include "cli/image/layer_selection.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace locket::cli {
namespace {

constexpr long kMaxNumber = 1'000'000;

std::optional<long> Number(std::string_view text) {
  long number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (number > kMaxNumber || number < -kMaxNumber) return std::nullopt;
  return number;
}

}  // namespace

Result<LayerSelection> LayerSelection::FromText(std::string_view text) {
  LayerSelection selection;
  if (text == "none") return selection;
  if (text == "all") {
    selection.ranges_.push_back({.first = 0, .last = -1, .all = true});
    return selection;
  }
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string_view item = text.substr(start, end - start);
    start = end + 1;
    const size_t dots = item.find("..");
    const bool range = dots != std::string_view::npos;
    const auto first_text = item.substr(0, dots);
    const auto last_text = range ? item.substr(dots + 2) : first_text;
    const bool open = range && first_text.empty() != last_text.empty();
    const auto first = open && first_text.empty() ? std::optional(0L) : Number(first_text);
    const auto last = open && last_text.empty() ? std::optional(-1L) : Number(last_text);
    if (!first || !last) {
      return Error(
          ErrorCode::kInvalidArgument,
          "'" + std::string(text) +
              "': must be all, none, or layer numbers and ranges such as 2,3 or -1 or 1..");
    }
    selection.ranges_.push_back({.first = *first, .last = *last, .all = false});
  }
  return selection;
}

Result<std::vector<bool>> LayerSelection::For(size_t num_layers) const {
  std::vector<bool> chosen(num_layers, false);
  const auto count = static_cast<long>(num_layers);
  for (const Range& range : ranges_) {
    if (range.all) {
      chosen.assign(num_layers, true);
      continue;
    }
    const long first = range.first < 0 ? range.first + count : range.first;
    const long last = range.last < 0 ? range.last + count : range.last;
    if (first < 0 || last >= count || first > last) {
      return Error(ErrorCode::kInvalidArgument,
                   "layers " + std::to_string(range.first) + ".." + std::to_string(range.last) +
                       " of an image that has " + std::to_string(count) +
                       " layers; the bottom is 0, the top -1");
    }
    for (long i = first; i <= last; ++i) chosen[static_cast<size_t>(i)] = true;
  }
  return chosen;
}

}  // namespace locket::cli
