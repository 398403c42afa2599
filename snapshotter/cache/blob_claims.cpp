#include "snapshotter/cache/blob_claims.h"

namespace locket::snapshotter {

Status BlobClaims::RunOnce(const Errand& errand) {
  bool waited = false;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !removing_.contains(errand.digest); });
    if (const auto found = running_.find(errand.digest); found != running_.end()) {
      const std::shared_ptr<Work> other = found->second;
      changed_.wait(lock, [&] { return other->outcome.has_value(); });
      waited = true;
      const bool is_ours = other->reference == errand.reference;
      if (!other->outcome->ok() && is_ours) return *other->outcome;
      continue;
    }
    // Looked at under the lock: what just landed is not fetched again.
    if (errand.is_there(waited)) return Ok();
    const auto work = std::make_shared<Work>(Work{.reference = errand.reference});
    running_.emplace(errand.digest, work);
    lock.unlock();
    Status outcome = errand.work();
    lock.lock();
    work->outcome = outcome;
    running_.erase(errand.digest);
    changed_.notify_all();
    return outcome;
  }
}

void BlobClaims::Pin(const std::string& digest) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !removing_.contains(digest); });
  pins_.insert(digest);
}

void BlobClaims::Unpin(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  pins_.erase(pins_.find(digest));
}

bool BlobClaims::IsClaimed(const std::string& digest) const {
  const std::lock_guard lock(mutex_);
  return pins_.contains(digest) || running_.contains(digest);
}

size_t BlobClaims::num_running() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

std::unique_ptr<BlobClaims::Removal> BlobClaims::BeginRemoval(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  if (pins_.contains(digest) || running_.contains(digest)) return nullptr;
  if (!removing_.insert(digest).second) return nullptr;
  return std::unique_ptr<Removal>(new Removal(*this, digest));
}

BlobClaims::Removal::~Removal() {
  {
    const std::lock_guard lock(claims_.mutex_);
    claims_.removing_.erase(digest_);
  }
  claims_.changed_.notify_all();
}

}  // namespace locket::snapshotter
