#include "snapshotter/convert/convert_selection.h"

#include <fnmatch.h>

#include <algorithm>

namespace locket::snapshotter {

bool Converts(const ConvertOptions& options, const std::string& reference) {
  const auto matches = [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), reference.c_str(), 0) == 0;
  };
  return options.enabled && std::ranges::any_of(options.images, matches) &&
         std::ranges::none_of(options.except, matches);
}

}  // namespace locket::snapshotter
