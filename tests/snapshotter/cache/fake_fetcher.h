// A registry in memory. It can be told to fail, to break off in the middle, and to wait.
#pragma once

#include <sys/stat.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "snapshotter/cache/fetcher.h"

namespace locket::snapshotter {

class FakeFetcher final : public Fetcher {
 public:
  void Add(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    content_.insert_or_assign(image::Digest::Of(bytes).ToText(), bytes);
  }
  void Forget(const std::string& digest) {
    const std::lock_guard lock(mutex_);
    content_.erase(digest);
  }
  // The nth call from now fails and brings nothing; 0: none does.
  void FailCall(int nth) {
    const std::lock_guard lock(mutex_);
    fail_in_ = nth;
  }
  // The next blob fetch brings that many bytes and ends with this error.
  void BreakOffAfter(size_t bytes, Error error) { break_off_.emplace(bytes, std::move(error)); }
  // Fetches of blobs, or of manifests, wait until Release (or until they are told to stop).
  void Hold() { held_ = true; }
  void HoldManifests() { manifests_held_ = true; }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = manifests_held_ = false;
    changed_.notify_all();
  }
  void WaitForWaiter() { WaitForWaiters(1); }
  void WaitForWaiters(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return num_waiting_ >= count; });
  }
  int num_manifest_fetches() const { return num_manifest_fetches_; }
  int num_blob_fetches() const { return num_blob_fetches_; }
  uint64_t last_offset() const { return last_offset_; }
  void ServeOnlyTo(const std::string& reference) { only_.insert(reference); }

  Result<std::string> FetchManifest(const std::string& reference, const image::Digest& digest,
                                    const std::stop_token& stop) override {
    std::unique_lock lock(mutex_);
    ++num_manifest_fetches_;
    LOCKET_TRY(Count());
    LOCKET_TRY(WaitToServe(manifests_held_, lock, reference, stop));
    return Content(digest.ToText());
  }

  Status FetchBlob(const std::string& reference, const image::Descriptor& blob, int fd,
                   const std::stop_token& stop) override {
    std::unique_lock lock(mutex_);
    ++num_blob_fetches_;
    LOCKET_TRY(Count());
    LOCKET_TRY(WaitToServe(held_, lock, reference, stop));
    LOCKET_TRY_ASSIGN(const std::string bytes, Content(blob.digest.ToText()));
    return Deliver(bytes, blob, fd);
  }

 private:
  Status Deliver(const std::string& bytes, const image::Descriptor& blob, int fd) {
    struct stat status {};
    ::fstat(fd, &status);
    last_offset_ = static_cast<uint64_t>(status.st_size);
    size_t until = bytes.size();
    const auto break_off = std::exchange(break_off_, std::nullopt);
    if (break_off) until = break_off->first;
    if (last_offset_ < until) {
      const std::string rest = bytes.substr(last_offset_, until - last_offset_);
      LOCKET_TRY(PwriteFull(fd, AsBytes(rest), last_offset_));
    }
    if (break_off) return break_off->second;
    std::string stored(bytes.size(), '\0');
    LOCKET_TRY(PreadFull(fd, std::as_writable_bytes(std::span(stored)), 0));
    if (image::Digest::Of(stored) == blob.digest && bytes.size() == blob.size) return Ok();
    if (::ftruncate(fd, 0) != 0) return Error::FromErrno(errno, "truncate");
    return Error(ErrorCode::kDataLoss, "fetch: wrong digest");
  }

  Status WaitToServe(const bool& held, std::unique_lock<std::mutex>& lock,
                     const std::string& reference, const std::stop_token& stop) {
    ++num_waiting_;
    changed_.notify_all();
    changed_.wait(lock, stop, [&] { return !held; });
    --num_waiting_;
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "fetch: stopped");
    if (only_.empty() || only_.contains(reference)) return Ok();
    return Error(ErrorCode::kPermissionDenied, "not for '" + reference + "'");
  }

  Status Count() {
    if (fail_in_ > 0 && --fail_in_ == 0) return Error(ErrorCode::kUnavailable, "fetch: injected");
    return Ok();
  }
  Result<std::string> Content(const std::string& digest) const {
    const auto found = content_.find(digest);
    if (found == content_.end()) return Error(ErrorCode::kNotFound, "fetch: no " + digest);
    return found->second;
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::string> content_;
  std::set<std::string> only_;
  std::optional<std::pair<size_t, Error>> break_off_;
  bool held_ = false;
  bool manifests_held_ = false;
  int num_waiting_ = 0;
  int fail_in_ = 0;
  int num_manifest_fetches_ = 0;
  int num_blob_fetches_ = 0;
  uint64_t last_offset_ = 0;
};

}  // namespace locket::snapshotter
