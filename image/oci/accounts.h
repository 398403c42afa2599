// The accounts of an image, /etc/passwd and /etc/group, put together from what its layers do to
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::image {

// What one layer does to one file of the image.
struct LayerFile {
  std::optional<std::string> content{};  // the layer brings it
  bool hides_lower = false;  // a whiteout (or something in its place) hides lower layers'
  std::string trouble{};     // it is there but cannot be read, and why

  bool operator==(const LayerFile&) const = default;
};

struct LayerAccounts {
  LayerFile passwd{};
  LayerFile group{};

  bool operator==(const LayerAccounts&) const = default;
};

// The image's accounts, layer by layer from the bottom.
class ImageAccounts {
 public:
  void AddLayer(const LayerAccounts& layer);

  // Nothing: the image has no such file, or one that cannot be read.
  const std::optional<std::string>& passwd() const { return passwd_.content; }
  const std::optional<std::string>& group() const { return group_.content; }

  // `user` of an image config as numbers, "uid:gid" (image/oci/user.h says how).
  // kFailedPrecondition: a name that the image's files do not resolve.
  Result<std::string> Resolve(std::string_view user) const;

 private:
  LayerFile passwd_;
  LayerFile group_;
};

}  // namespace locket::image
