// What containerd knows of containers, images and documents: the seam at its socket.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::snapshotter {

// The part of a container's record that tells of which image the container is.
struct ContainerRecord {
  std::string image;           // a name in containerd's image store; may be empty
  std::string snapshot_key;    // without the prefix that containerd gives it on its way to us
  std::string cri_metadata{};  // of a container that CRI made: JSON
};

// Reads containerd's metadata and content; changes nothing there. `ns` is a containerd namespace
// ("k8s.io" for pods). Every call ends within seconds. kUnavailable: containerd does not answer, so
// the caller may try again later. Thread-safe.
class Containerd {
 public:
  virtual ~Containerd() = default;

  // Returns the record of a container. kNotFound: `ns` has no container of this ID.
  virtual Result<ContainerRecord> GetContainer(const std::string& ns, const std::string& id) = 0;

  // Returns the digest of the manifest or index that a name in the image store stands for now.
  // kNotFound: there is no such name.
  virtual Result<image::Digest> GetImageTarget(const std::string& ns, const std::string& name) = 0;

  // Returns a blob's bytes from the content store, checked. kNotFound: the store lacks it.
  // kInvalidArgument: it is larger than `max_bytes`. kDataLoss: its bytes are not the digest's.
  virtual Result<std::string> ReadContent(const std::string& ns, const image::Digest& digest,
                                          size_t max_bytes) = 0;
};

}  // namespace locket::snapshotter
