#include "snapshotter/snapshots/sealed_containers.h"

#include "snapshotter/snapshots/sealed_layers.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {

bool SealedContainers::IsReady(const Snapshot& snapshot) const {
  return snapshot.image_known && HasDocuments(deps_.root, *snapshot.image) &&
         deps_.descriptions.IsWritten(snapshot);
}

Status SealedContainers::MakeReady(const Snapshot& snapshot, const Chain& chain,
                                   const Converter::GaveUp& gave_up) {
  LOCKET_TRY(deps_.pulls.RestoreBlobs(chain, gave_up));
  if (!deps_.directories.AreWhole(snapshot)) LOCKET_TRY(RepairDirectories(snapshot, chain));
  return IsReady(snapshot) ? Ok() : Identify(snapshot, chain, gave_up);
}

// The record of this very snapshot as it is now.
Result<SnapshotPtr> SealedContainers::GetSame(const Snapshot& snapshot) const {
  LOCKET_TRY_ASSIGN(SnapshotPtr now, deps_.records.Get(snapshot.name));
  if (now->id == snapshot.id) return now;
  return Error(ErrorCode::kNotFound, "snapshot '" + snapshot.name + "' was replaced meanwhile");
}

Status SealedContainers::RepairDirectories(const Snapshot& snapshot, const Chain& chain) {
  const NameLocks::Hold hold(deps_.names,
                             {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
  LOCKET_TRY(GetSame(snapshot));
  if (deps_.directories.AreWhole(snapshot)) return Ok();
  return deps_.directories.Repair(snapshot, chain);
}

// Intention and outcome are one: the record. Before it the documents are kept, after it rootfs.json
// is written, which a kill in between leaves to the next Mounts or start-up.
Status SealedContainers::Identify(const Snapshot& snapshot, const Chain& chain,
                                  const Converter::GaveUp& gave_up) {
  const NameLocks::Hold hold(deps_.names,
                             {.exclusive = {snapshot.name}, .shared = {snapshot.parent}});
  LOCKET_TRY_ASSIGN(const SnapshotPtr now, GetSame(snapshot));
  if (now->image_known && HasDocuments(deps_.root, *now->image)) {
    return deps_.descriptions.Write(*now, chain);
  }
  LOCKET_TRY_ASSIGN(const std::optional<KeptImage> kept, deps_.images.Find(*now, chain, gave_up));
  if (!kept) return Ok();
  if (now->image_known && now->image->manifest_digest != kept->source.manifest_digest) {
    return Error(ErrorCode::kFailedPrecondition,
                 "container of snapshot '" + snapshot.name + "': manifest " +
                     now->image->manifest_digest +
                     " is gone, and its image has another now: create the container again");
  }
  Snapshot known = *now;
  known.image = kept->source;
  known.image_known = true;
  if (known != *now) LOCKET_TRY(deps_.records.Write({.put = {known}}));
  PassFailpoint("image-known");
  return deps_.descriptions.Write(known, chain);
}

}  // namespace locket::snapshotter
