// The seam at the registry: the two things that the snapshotter fetches, both by digest.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/oci/manifest.h"

namespace locket::snapshotter {

// Fetches from the registry that `reference` names: the image as the kubelet wrote it, for example
// "docker.io/library/debian:12". Which mirrors and which credentials that means, implementations
// decide. Errors:
//
//   kUnavailable, kDeadlineExceeded   the registry does not answer, or stopped in the middle; a
//                                     later try may succeed
//   kPermissionDenied                 it wants other credentials
//   kNotFound                         it lacks the manifest or blob
//   kDataLoss                         it sent something else than was asked for
//   kCancelled                        `stop` was asked for
//
// Every call ends within a bound, however the registry behaves. Thread-safe.
class Fetcher {
 public:
  virtual ~Fetcher() = default;

  // Returns the manifest's bytes. Their digest was checked.
  virtual Result<std::string> FetchManifest(const std::string& reference,
                                            const image::Digest& digest,
                                            const std::stop_token& stop) = 0;

  // Fetches a blob to the file that is open for reading and writing at `fd`. Bytes that the file
  // has already are taken for the blob's first ones, and only the rest is asked for. On success the
  // file is the blob; size and digest were checked. On kDataLoss the file is empty. Other errors
  // leave what came so far, from which the next call goes on.
  virtual Status FetchBlob(const std::string& reference, const image::Descriptor& blob, int fd,
                           const std::stop_token& stop) = 0;
};

}  // namespace locket::snapshotter
