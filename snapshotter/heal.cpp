// The half of Snapshots that gets back what the disk has lost. Every record of a sealed image names
// where it came from, so a blob that is gone is a matter of one download; of a converted image its
// labels tell which ordinary one it was, so it is converted once more.
#include <algorithm>

#include "base/log.h"
#include "snapshotter/snapshots.h"

namespace locket::snapshotter {
namespace fs = std::filesystem;

bool Snapshots::HasBlobs(const ImageSource& image, const Chain& layers) const {
  std::error_code failed;
  return fs::exists(deps_.root.blob(image.manifest_digest), failed) &&
         fs::exists(deps_.root.blob(image.config_digest), failed) &&
         std::ranges::all_of(layers, [&](const SnapshotPtr& layer) {
           return deps_.blobs.Has(layer->layer->digest, layer->layer->size_bytes);
         });
}

// Nothing is pinned: the records that refer to these blobs are there.
Status Snapshots::RestoreBlobs(const ImageSource& source, const Chain& layers,
                               const Converter::GaveUp& gave_up) {
  if (!HasBlobs(source, layers)) {
    log::Warning("fetching again what is gone from the cache", {{"image", source.reference}});
    LOCKET_TRY_ASSIGN(
        const bool converted,
        ConvertAgain(source, layers, gave_up).While("image '" + source.reference + "'"));
    if (converted) return Ok();
  }
  return FetchBlobs(source, layers);
}

// False: the image was not converted here.
Result<bool> Snapshots::ConvertAgain(const ImageSource& source, const Chain& layers,
                                     const Converter::GaveUp& gave_up) {
  if (deps_.converter == nullptr || layers.empty()) return false;
  LOCKET_TRY_ASSIGN(const auto ordinary, FindOrdinaryImage(layers.front()->labels));
  if (!ordinary) return false;
  LOCKET_TRY_ASSIGN(const auto converted, deps_.converter->Convert(*ordinary, gave_up));
  deps_.converter->Release(ordinary->manifest_digest);
  if (converted->manifest_digest.ToText() == source.manifest_digest) return true;
  return Error(ErrorCode::kFailedPrecondition,
               "converted again it is " + converted->manifest_digest.ToText() + ", not " +
                   source.manifest_digest + ": remove the image and pull it again");
}

Status Snapshots::FetchBlobs(const ImageSource& source, const Chain& layers) {
  const std::string doing = "image '" + source.reference + "'";
  LOCKET_TRY_ASSIGN(const image::Digest digest,
                    image::Digest::FromText(source.manifest_digest).While(doing));
  LOCKET_TRY_ASSIGN(const std::string text,
                    deps_.blobs.EnsureManifest(source.reference, digest).While(doing));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text).While(doing));
  LOCKET_TRY(deps_.blobs.EnsureContent(source.reference, manifest.config).While(doing));
  for (const SnapshotPtr& layer : layers) {
    LOCKET_TRY_ASSIGN(const image::Descriptor blob, DescriptorOf(*layer->layer).While(doing));
    LOCKET_TRY(deps_.blobs.Ensure(source.reference, blob).While(doing));
  }
  return Ok();
}

// Of a snapshot whose parents are sealed layers.
Status Snapshots::RestoreContainer(const Snapshot& snapshot, const Chain& chain,
                                   const Converter::GaveUp& gave_up) {
  if (IsWhole(snapshot) && HasBlobs(*snapshot.image, chain)) return Ok();
  const NameLocks::Hold hold(names_, {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr now, Get(snapshot.name));
  if (now->id != snapshot.id) {
    return Error(ErrorCode::kNotFound, "snapshot '" + snapshot.name + "' was replaced meanwhile");
  }
  LOCKET_TRY(RestoreBlobs(*snapshot.image, chain, gave_up));
  return IsWhole(snapshot) ? Ok() : RepairDirectory(snapshot);
}

Status Snapshots::RepairSnapshot(const SnapshotPtr& snapshot) {
  if (snapshot->layer) return RestoreBlobs(*snapshot->image, {snapshot});
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

RepairReport Snapshots::Repair() {
  Chain all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, snapshot] : table_.all()) all.push_back(snapshot);
  }
  RepairReport report;
  for (const SnapshotPtr& snapshot : all) {
    const bool has_blobs = !snapshot->layer || HasBlobs(*snapshot->image, {snapshot});
    if (IsWhole(*snapshot) && has_blobs) continue;
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
