// What containerd knows of containers, images and documents: the seam at its socket.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::snapshotter {

// A container's record, as far as it tells of which image the container is.
struct ContainerRecord {
  std::string image;           // a name in containerd's image store; may be empty
  std::string snapshot_key;    // without the prefix that containerd gives it on its way to us
  std::string cri_metadata{};  // of a container that CRI made: JSON
};

// Thread-safe. `ns` is a containerd namespace. Every call ends within seconds; kUnavailable:
// containerd does not answer.
class Containerd {
 public:
  virtual ~Containerd() = default;

  // kNotFound: `ns` has no container of this ID.
  virtual Result<ContainerRecord> GetContainer(const std::string& ns, const std::string& id) = 0;

  // The manifest or index that a name of the image store stands for now. kNotFound: there is no
  // such name.
  virtual Result<image::Digest> GetImageTarget(const std::string& ns, const std::string& name) = 0;

  // The blob's bytes, checked. kNotFound: the content store lacks it. kInvalidArgument: it is
  // larger than `max_bytes`. kDataLoss: its bytes are not the digest's.
  virtual Result<std::string> ReadContent(const std::string& ns, const image::Digest& digest,
                                          size_t max_bytes) = 0;
};

}  // namespace locket::snapshotter
