// A fetcher that can be exchanged while it is used, when the registry's configuration is read
// again.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "snapshotter/cache/fetcher.h"

namespace locket::snapshotter {

// Passes every call on to the current fetcher. A call ends with the fetcher it began with.
// Thread-safe.
class ReloadingFetcher final : public Fetcher {
 public:
  explicit ReloadingFetcher(std::unique_ptr<Fetcher> fetcher) : fetcher_(std::move(fetcher)) {}

  void Replace(std::unique_ptr<Fetcher> fetcher) {
    const std::lock_guard lock(mutex_);
    fetcher_ = std::move(fetcher);
  }

  Result<std::string> FetchManifest(const std::string& reference, const image::Digest& digest,
                                    const std::stop_token& stop) override {
    return Current()->FetchManifest(reference, digest, stop);
  }
  Status FetchBlob(const std::string& reference, const image::Descriptor& blob, int fd,
                   const std::stop_token& stop) override {
    return Current()->FetchBlob(reference, blob, fd, stop);
  }

 private:
  // Shared, because a call may outlast its fetcher's time as the current one.
  std::shared_ptr<Fetcher> Current() {
    const std::lock_guard lock(mutex_);
    return fetcher_;
  }

  std::mutex mutex_;
  std::shared_ptr<Fetcher> fetcher_;
};

}  // namespace locket::snapshotter
