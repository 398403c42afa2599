// Finds out of which image a container is, from containerd's record of the container
// (docs/decisions/0034-the-image-of-a-container.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/oci/digest.h"
#include "snapshotter/containerd/containerd.h"

namespace locket::snapshotter {

// A snapshot's name in two of its three parts: containerd's metadata store calls it
// "<namespace>/<number>/<key>".
struct SnapshotName {
  std::string ns;
  std::string key;
};

// Returns nothing if the name does not come from that store.
std::optional<SnapshotName> SplitSnapshotName(const std::string& name);

struct ContainerImage {
  std::string name;       // the name in containerd's image store that led to it
  std::string reference;  // where a registry has it; empty: the name does not tell
  image::Digest manifest_digest;
  std::string manifest;  // bytes, checked
  std::string config;    // bytes, checked
};

// Finds the image of the container whose snapshot has the name `snapshot`. `chain_id` is that of
// the layers that the snapshot lies on; an image of other layers is not the container's. Returns
// nothing if no container has this snapshot, or none has it yet. kFailedPrecondition: the image
// cannot be told, because containerd has it no longer, its name stands for another image by now, or
// it has several manifests of these layers; the message says which. Other errors are Containerd's.
Result<std::optional<ContainerImage>> FindContainerImage(Containerd& containerd,
                                                         const std::string& snapshot,
                                                         std::string_view chain_id);

}  // namespace locket::snapshotter
