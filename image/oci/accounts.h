// The account files of an image, /etc/passwd and /etc/group. Each layer may bring, hide or leave
// them, so they are put together from all layers, in order to turn a USER with names into numbers
// before a guest sees the image.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::image {

// What one layer does to one of the files. With all fields at their defaults: nothing.
struct LayerFile {
  std::optional<std::string> content{};  // the layer has the file, with this content
  bool hides_lower = false;  // a whiteout, or something else in its place, hides a lower layer's
  std::string trouble{};     // why the file is there but cannot be read

  bool operator==(const LayerFile&) const = default;
};

struct LayerAccounts {
  LayerFile passwd{};
  LayerFile group{};

  bool operator==(const LayerAccounts&) const = default;
};

// Add the layers from the bottom to the top; then ask. For one thread.
class ImageAccounts {
 public:
  void AddLayer(const LayerAccounts& layer);

  // Return the content of the file in the image, or nothing if it has none or cannot be read.
  const std::optional<std::string>& passwd() const { return passwd_.content; }
  const std::optional<std::string>& group() const { return group_.content; }

  // Returns `user`, the USER of an image config, as "uid:gid" (ResolveUser in image/oci/user.h).
  // kFailedPrecondition: it has a name that the image's files do not resolve, and the message says
  // why. kInvalidArgument: malformed.
  Result<std::string> Resolve(std::string_view user) const;

 private:
  LayerFile passwd_;
  LayerFile group_;
};

}  // namespace locket::image
