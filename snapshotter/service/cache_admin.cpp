#include "snapshotter/service/cache_admin.h"

#include <algorithm>
#include <map>

#include "base/log.h"

namespace locket::snapshotter {
namespace {

// By digest.
using Holders = std::map<std::string, HeldBlob*>;

void Count(const Holders& holders, const std::string& digest, const ImageSource& image) {
  const auto found = holders.find(digest);
  if (found == holders.end()) return;
  ++found->second->num_snapshots;
  found->second->images.insert(image.reference);
}

Status CheckDigest(const std::string& digest) {
  return image::Digest::FromText(digest).ok()
             ? Ok()
             : Error(ErrorCode::kInvalidArgument,
                     "'" + digest + "' is no digest: sha256: and 64 hex digits");
}

}  // namespace

Result<std::vector<HeldBlob>> CacheAdmin::List() {
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, blobs_.List());
  LOCKET_TRY_ASSIGN(const std::vector<Snapshot> snapshots, snapshots_.List({}));
  std::vector<HeldBlob> listed;
  listed.reserve(blobs.size());
  for (const CachedBlob& blob : blobs) listed.push_back({.blob = blob});
  Holders holders;
  for (HeldBlob& held : listed) holders.emplace(held.blob.digest, &held);
  for (const Snapshot& snapshot : snapshots) {
    if (!snapshot.image) continue;
    if (snapshot.layer) Count(holders, snapshot.layer->digest, *snapshot.image);
    Count(holders, snapshot.image->manifest_digest, *snapshot.image);
    Count(holders, snapshot.image->config_digest, *snapshot.image);
  }
  return listed;
}

Result<TrimResult> CacheAdmin::Collect(uint64_t keep_bytes) {
  LOCKET_TRY_ASSIGN(const TrimResult trimmed,
                    blobs_.TrimTo({.high_bytes = keep_bytes, .low_bytes = keep_bytes}));
  LOCKET_TRY(snapshots_.Cleanup());
  return trimmed;
}

Result<VerifyOutcome> CacheAdmin::Verify(const std::string& digest,
                                         const BlobCache::OnProgress& progress) {
  using State = VerifyOutcome::State;
  LOCKET_TRY(CheckDigest(digest));
  LOCKET_TRY_ASSIGN(const Verdict verdict, blobs_.Verify(digest, progress));
  if (verdict == Verdict::kGood) return VerifyOutcome{.state = State::kGood};
  log::Error("a blob in the cache is damaged", {{"digest", digest}});
  if (verdict == Verdict::kBusy) return VerifyOutcome{.state = State::kBusy};
  const RepairReport report = snapshots_.Repair();
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, blobs_.List());
  if (std::ranges::find(blobs, digest, &CachedBlob::digest) != blobs.end()) {
    return VerifyOutcome{.state = State::kFetchedAgain};
  }
  for (const std::string& problem : report.not_healed) {
    if (problem.find(digest) != std::string::npos) {
      return VerifyOutcome{.state = State::kRemoved, .problem = problem};
    }
  }
  return VerifyOutcome{.state = State::kRemoved};
}

Result<bool> CacheAdmin::SetPinned(const std::string& digest, bool pinned) {
  LOCKET_TRY(CheckDigest(digest));
  LOCKET_TRY(blobs_.SetPinned(digest, pinned));
  LOCKET_TRY_ASSIGN(const std::vector<CachedBlob> blobs, blobs_.List());
  return std::ranges::find(blobs, digest, &CachedBlob::digest) != blobs.end();
}

}  // namespace locket::snapshotter
