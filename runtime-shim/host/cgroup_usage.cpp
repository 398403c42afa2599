#include "runtime-shim/host/cgroup_usage.h"

#include <algorithm>
#include <charconv>

namespace locket::runtime_shim {

uint64_t CgroupNumber(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text == "max") return kNoLimit;
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() ? number : 0;
}

uint64_t CgroupKey(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return CgroupNumber(line.substr(key.size() + 1));
    }
  }
  return 0;
}

}  // namespace locket::runtime_shim
