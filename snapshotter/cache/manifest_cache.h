// The manifests of images that are being pulled: a few, in memory.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/oci/digest.h"
#include "snapshotter/cache/blob_claims.h"
#include "snapshotter/cache/blob_files.h"
#include "snapshotter/cache/fetcher.h"

namespace locket::snapshotter {

// containerd asks for the layers of an image one after the other, and each time the manifest is
// needed. Fetching it once has to do, since registries limit how often one may ask. It is not
// written to disk here: only the manifest of an image that has a snapshot is kept there.
// Thread-safe.
class ManifestCache {
 public:
  // Both outlive the object. A fetch ends with kCancelled once `stop` is asked for.
  ManifestCache(const BlobFiles& files, Fetcher& fetcher, std::stop_token stop)
      : files_(files), fetcher_(fetcher), stop_(std::move(stop)) {}

  // Returns the manifest's bytes, checked: from memory, from disk, or from the registry of
  // `reference`. Callers that ask for one at the same time share one fetch. Errors are the
  // Fetcher's.
  Result<std::string> Get(const std::string& reference, const image::Digest& digest);

  // Forgets a manifest whose blob was removed.
  void Forget(const std::string& digest);

 private:
  Status Fetch(const std::string& reference, const image::Digest& digest, std::string& bytes);

  const BlobFiles& files_;
  Fetcher& fetcher_;
  const std::stop_token stop_;
  BlobClaims fetching_;
  std::mutex mutex_;                              // guards what follows; after that of `fetching_`
  std::map<std::string, std::string> manifests_;  // by digest
};

}  // namespace locket::snapshotter
