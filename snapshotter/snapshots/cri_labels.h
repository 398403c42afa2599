// The labels by which containerd says which layer of which image it wants.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "image/oci/digest.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

struct CriLabels {
  std::string image_ref;          // the image as the kubelet wrote it
  image::Digest manifest_digest;  // of the image for this platform
  image::Digest layer_digest;     // of the layer's blob as a registry has it
};

// Returns what the labels containerd.io/snapshot/cri.* say; nothing unless all three are there, as
// with disable_snapshot_annotations = true in containerd's configuration. kInvalidArgument: one of
// the digests is malformed.
Result<std::optional<CriLabels>> ParseCriLabels(const Labels& labels);

}  // namespace locket::snapshotter
