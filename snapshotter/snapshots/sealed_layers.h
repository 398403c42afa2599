// How the layers in a snapshot's record and those in an image's manifest correspond.
#pragma once

#include <string>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

// Returns the layer of a manifest as a record remembers it.
SealedBlob ToSealedBlob(const image::Descriptor& layer);

// The reverse: returns a recorded layer as its manifest describes it. kInvalidArgument: the
// record's digest is malformed.
Result<image::Descriptor> DescriptorOf(const SealedBlob& layer);

// Whether `chain` (nearest first) consists of the lowest layers of `manifest`, in their order.
bool IsBottomOf(const Chain& chain, const image::Manifest& manifest);

// Whether `chain` consists of all the layers of `manifest`, in their order.
bool AreLayersOf(const Chain& chain, const image::Manifest& manifest);

// Returns the error for a container whose image has other layers than the container's snapshot.
Error OtherLayers(const std::string& manifest_digest);

// Whether the image's manifest and config are in the blob cache. Their bytes are not looked at.
bool HasDocuments(const RootDirectory& root, const ImageSource& image);

}  // namespace locket::snapshotter
