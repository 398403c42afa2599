// Which ordinary images this host turns into sealed ones.
#pragma once

#include <string>
#include <vector>

namespace locket::snapshotter {

// Patterns are fnmatch(3)'s, on the whole reference as the kubelet asks for it
// ("docker.io/library/debian:12"); `*` matches slashes, too.
struct ConvertOptions {
  bool enabled = false;
  std::vector<std::string> images{"*"};
  // Pods of other runtimes on the node need it unpacked, and a guest has no use for it.
  std::vector<std::string> except{"*/pause:*", "*/pause@*"};
  bool operator==(const ConvertOptions&) const = default;
};

bool Converts(const ConvertOptions& options, const std::string& reference);

}  // namespace locket::snapshotter
