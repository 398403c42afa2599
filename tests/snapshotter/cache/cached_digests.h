// What a cache holds, as digests.
#pragma once

#include <string>
#include <vector>

#include "snapshotter/cache/blob_cache.h"

namespace locket::snapshotter {

inline std::vector<std::string> CachedDigests(const BlobCache& cache) {
  std::vector<std::string> digests;
  const auto listed = cache.List();
  for (const CachedBlob& blob : listed.value()) digests.push_back(blob.digest);
  return digests;
}

}  // namespace locket::snapshotter
