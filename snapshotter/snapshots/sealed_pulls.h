// From the labels of a Prepare to a sealed layer in the blob cache.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"
#include "snapshotter/cache/blob_cache.h"
#include "snapshotter/convert/converter.h"
#include "snapshotter/snapshots/cri_labels.h"
#include "snapshotter/store/layout.h"
#include "snapshotter/store/snapshot_table.h"

namespace locket::snapshotter {

// What containerd asks for while it pulls an image: one layer, on top of layers that are there.
struct LayerRequest {
  const Labels& labels;  // containerd.io/snapshot/cri.* say which layer of which image
  std::string chain_id;  // by which containerd knows the layer
  const Chain& below;    // the layers below it, nearest first
  Converter::GaveUp gave_up{};
};

// A sealed layer whose blob, manifest and config are in the blob cache, and stay there while this
// object lives. It is a snapshot once its record is written.
struct PulledLayer {
  ImageSource image;
  SealedBlob layer;

  struct Conversion {
    std::string reference;
    image::Digest manifest_digest;  // of the ordinary image
    bool is_topmost;                // no layer of the image is still to be asked for
  };
  std::optional<Conversion> conversion{};  // set if the layer was converted on this host

  std::vector<std::shared_ptr<const BlobCache::Pin>> pins{};
};

// Gets sealed layers into the blob cache: those of a sealed image from its registry, those of an
// ordinary image from the converter, if the operator wants the image converted. It knows blobs and
// documents; what snapshots there are it is told. Thread-safe; waits for registries and
// conversions.
//
// A pull of one layer:
//
//   Prepare(labels) -> Pull       the blob, its manifest and its config are there and pinned
//                   -> the caller writes the record, which refers to them from now on
//                   -> Conclude   the converter lets go of an image whose last layer this was
//   PulledLayer goes: the pins end
//
// A blob that the cache loses later is fetched again by Refetch (somebody pulls an image with that
// layer) or RestoreBlobs and Restore (a container needs it, or an operator asks for a repair).
class SealedPulls {
 public:
  // All of them outlive the object. `converter` is nullptr where nothing is converted.
  SealedPulls(const RootDirectory& root, BlobCache& blobs, Converter* converter)
      : root_(root), blobs_(blobs), converter_(converter) {}

  // Whether the labels name an image that would be converted if it is an ordinary one.
  bool Converts(const Labels& labels) const;

  // Gets the layer. Returns nothing if containerd is to unpack the layer itself: the image is an
  // ordinary one that is not to be converted, or the labels do not say which image it is. Errors of
  // the registry and of the converter keep their codes. kFailedPrecondition: the layers below are
  // not those of this image. kInvalidArgument: the labels contradict the manifest, or the manifest
  // is not that of a sound sealed image. What was downloaded until then is kept.
  Result<std::optional<PulledLayer>> Pull(const LayerRequest& request);

  // Says how writing the record went. Call it once for each layer that Pull returned.
  void Conclude(const PulledLayer& pulled, const Status& recorded);

  // Whether the blob of a recorded layer is in the cache, with its image's documents.
  bool AreBlobsThere(const Snapshot& layer) const;

  // Fetches the blob of a recorded layer unless it is there: from the registry of the image that
  // `labels` name, whose credentials are at hand, and failing that from that of the layer's record.
  // The error is that of the first.
  Status Refetch(const Labels& labels, const Snapshot& layer);

  // Gets back the blob of a recorded layer, and the documents of the image in its record. A layer
  // that was converted here is converted again. kFailedPrecondition: the conversion came to another
  // manifest. Other errors are the registry's. Nothing is pinned, as the record refers to them.
  Status Restore(const Snapshot& layer, const Converter::GaveUp& gave_up = {});

  // Restores each layer of the chain whose blob is lost. Documents alone are not missed: a
  // container has its own image's.
  Status RestoreBlobs(const Chain& chain, const Converter::GaveUp& gave_up = {});

 private:
  struct Image;  // what the labels name

  Result<std::optional<OrdinaryImage>> FindOrdinaryImage(const Labels& labels);
  Result<PulledLayer> PullSealed(const LayerRequest& request, const Image& image);
  Status CheckConfig(const LayerRequest& request, const Image& image);
  Result<PulledLayer> PullConverted(const LayerRequest& request, const OrdinaryImage& image,
                                    const image::Digest& layer_digest);
  Result<bool> ConvertAgain(const Snapshot& layer, const Converter::GaveUp& gave_up);
  Status FetchBlobs(const Snapshot& layer);

  const RootDirectory& root_;
  BlobCache& blobs_;
  Converter* const converter_;
};

}  // namespace locket::snapshotter
