// The seam at the registry: the two things the snapshotter fetches, both by digest.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/oci/manifest.h"

namespace locket::snapshotter {

// Both answer within a bound however the registry behaves: kUnavailable or kDeadlineExceeded when
// it does not, kPermissionDenied when it wants other credentials, kNotFound when it lacks the
// thing, kDataLoss when what it sent is not what was asked for, kCancelled once `stop` is asked
// for. `reference` is the image as the kubelet wrote it. Thread-safe.
class Fetcher {
 public:
  virtual ~Fetcher() = default;

  // The manifest's bytes, digest checked.
  virtual Result<std::string> FetchManifest(const std::string& reference,
                                            const image::Digest& digest,
                                            const std::stop_token& stop) = 0;

  // The blob to the file open for reading and writing at `fd`, going on from what it holds. Ok: the
  // file is the blob, size and digest checked. kDataLoss: the file is left empty. Other errors
  // leave what came so far, to go on from.
  virtual Status FetchBlob(const std::string& reference, const image::Descriptor& blob, int fd,
                           const std::stop_token& stop) = 0;
};

}  // namespace locket::snapshotter
