// Which ordinary images this host turns into sealed ones.
#pragma once

#include <string>
#include <vector>

namespace locket::snapshotter {

// An image is converted if `enabled`, one of `images` matches it, and none of `except` does.
// Patterns are those of fnmatch(3), on the whole reference as the kubelet asks for it
// ("docker.io/library/debian:12"); `*` matches slashes, too.
struct ConvertOptions {
  bool enabled = false;
  std::vector<std::string> images{"*"};
  // The pause image: pods of other runtimes on the node need it unpacked, and a guest does not use
  // it.
  std::vector<std::string> except{"*/pause:*", "*/pause@*"};
  bool operator==(const ConvertOptions&) const = default;
};

// Whether the options say that the image of that reference is converted.
bool Converts(const ConvertOptions& options, const std::string& reference);

}  // namespace locket::snapshotter
