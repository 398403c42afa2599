// The half of Snapshots that gets back what the disk has lost. Every record of a sealed layer names
// where it came from, so a blob that is gone is a matter of one download; of a converted image its
// labels tell which ordinary one it was, so it is converted once more. The documents of a
// container's image come from containerd.
#include "base/log.h"
#include "snapshotter/snapshots/snapshots.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;

bool Snapshots::HasDocuments(const ImageSource& image) const {
  std::error_code failed;
  return fs::exists(deps_.root.blob(image.manifest_digest), failed) &&
         fs::exists(deps_.root.blob(image.config_digest), failed);
}

bool Snapshots::HasBlobs(const Snapshot& layer) const {
  return HasDocuments(*layer.image) &&
         deps_.blobs.Has(layer.layer->digest, layer.layer->size_bytes);
}

// Nothing is pinned: the record that refers to these blobs is there.
Status Snapshots::RestoreLayer(const Snapshot& layer, const Converter::GaveUp& gave_up) {
  const std::string doing = "image '" + layer.image->reference + "'";
  log::Warning("fetching again what is gone from the cache", {{"image", layer.image->reference}});
  LOCKET_TRY_ASSIGN(const bool converted, ConvertAgain(layer, gave_up).While(doing));
  return converted ? Ok() : FetchBlobs(layer).While(doing);
}

// A container needs the blobs only: which image's documents, IdentifyContainer says.
Status Snapshots::RestoreLayers(const Chain& chain, const Converter::GaveUp& gave_up) {
  for (const SnapshotPtr& layer : chain) {
    if (deps_.blobs.Has(layer->layer->digest, layer->layer->size_bytes)) continue;
    LOCKET_TRY(RestoreLayer(*layer, gave_up));
  }
  return Ok();
}

// False: the image was not converted here.
Result<bool> Snapshots::ConvertAgain(const Snapshot& layer, const Converter::GaveUp& gave_up) {
  if (deps_.converter == nullptr) return false;
  LOCKET_TRY_ASSIGN(const auto ordinary, FindOrdinaryImage(layer.labels));
  if (!ordinary) return false;
  LOCKET_TRY_ASSIGN(const auto converted, deps_.converter->Convert(*ordinary, gave_up));
  deps_.converter->Release(ordinary->manifest_digest);
  if (converted->manifest_digest.ToText() == layer.image->manifest_digest) return true;
  return Error(ErrorCode::kFailedPrecondition,
               "converted again it is " + converted->manifest_digest.ToText() + ", not " +
                   layer.image->manifest_digest + ": remove the image and pull it again");
}

Status Snapshots::FetchBlobs(const Snapshot& layer) {
  const ImageSource& source = *layer.image;
  LOCKET_TRY_ASSIGN(const image::Digest digest, image::Digest::FromText(source.manifest_digest));
  LOCKET_TRY_ASSIGN(const std::string text, deps_.blobs.EnsureManifest(source.reference, digest));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text));
  LOCKET_TRY(deps_.blobs.EnsureContent(source.reference, manifest.config));
  LOCKET_TRY_ASSIGN(const image::Descriptor blob, DescriptorOf(*layer.layer));
  return deps_.blobs.Ensure(source.reference, blob);
}

// Of a snapshot whose parents are sealed layers.
Status Snapshots::RestoreContainer(const Snapshot& snapshot, const Chain& chain,
                                   const Converter::GaveUp& gave_up) {
  LOCKET_TRY(RestoreLayers(chain, gave_up));
  if (!IsWhole(snapshot)) {
    const NameLocks::Hold hold(names_, {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
    LOCKET_TRY_ASSIGN(const SnapshotPtr now, Get(snapshot.name));
    if (now->id != snapshot.id) {
      return Error(ErrorCode::kNotFound, "snapshot '" + snapshot.name + "' was replaced meanwhile");
    }
    if (!IsWhole(snapshot)) LOCKET_TRY(RepairDirectory(snapshot));
  }
  if (snapshot.image_known && HasDocuments(*snapshot.image) && IsDescribed(snapshot)) return Ok();
  return IdentifyContainer(snapshot, chain, gave_up);
}

Status Snapshots::RepairSnapshot(const SnapshotPtr& snapshot) {
  if (snapshot->layer) return RestoreLayer(*snapshot);
  if (snapshot->sealed()) {
    std::unique_lock lock(mutex_);
    LOCKET_TRY_ASSIGN(const Chain chain, table_.ChainOf(snapshot->parent));
    lock.unlock();
    return RestoreContainer(*snapshot, chain);
  }
  const NameLocks::Hold hold(names_, {.exclusive = {snapshot->name}, .shared = {snapshot->parent}});
  // Removed while others were repaired: nothing to do.
  const auto now = Get(snapshot->name);
  return now.ok() && (*now)->id == snapshot->id ? RepairDirectory(*snapshot) : Ok();
}

bool Snapshots::NeedsRepair(const Snapshot& snapshot) const {
  if (!IsWhole(snapshot)) return true;
  if (snapshot.layer) return !HasBlobs(snapshot);
  return snapshot.image_known && !(HasDocuments(*snapshot.image) && IsDescribed(snapshot));
}

RepairReport Snapshots::Repair() {
  Chain all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, snapshot] : table_.all()) all.push_back(snapshot);
  }
  RepairReport report;
  for (const SnapshotPtr& snapshot : all) {
    if (!NeedsRepair(*snapshot)) continue;
    const Status repaired = RepairSnapshot(snapshot);
    if (repaired.ok()) {
      ++report.num_healed;
    } else if (Get(snapshot->name).ok()) {
      report.not_healed.push_back(repaired.error().message());
    }
  }
  return report;
}

}  // namespace locket::snapshotter
