// The blobs on disk, as files.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/layout.h"

namespace locket::snapshotter {

struct CachedBlob {
  std::string digest;
  uint64_t size_bytes;
  std::chrono::system_clock::time_point last_used;  // by a pull, or until its last snapshot went
  bool pinned;                                      // by an operator
  bool held;                                        // by a running VM
  bool used;                                        // by a snapshot
};

// Answers whether something refers to a blob.
using IsBlobUsed = std::function<bool(const std::string& digest)>;

// A file in blobs() that is named after a digest is complete and was checked when it came. Its mode
// is 0400, and its bytes never change; its modification time says when it was last used. A file of
// another name is what a crash left of Keep. An empty file in pins() of the same name says that an
// operator wants the blob kept.
//
// Decides nothing about who needs a blob, and keeps nothing in memory, so any thread may call it.
// Digests are text, "sha256:<64 hex digits>", checked where they come from outside.
class BlobFiles {
 public:
  // `root` outlives the object.
  explicit BlobFiles(const RootDirectory& root) : root_(root) {}

  // Whether there is a blob of that size. Its bytes are not looked at.
  bool Has(std::string_view digest, uint64_t size_bytes) const;

  // Returns a blob's bytes, checked. kFailedPrecondition: it is missing, damaged, or larger than
  // `max_bytes`.
  Result<std::string> Read(const std::string& digest, size_t max_bytes) const;

  // Stores checked bytes as a blob, durably, unless they are there. On failure what was there
  // before is still there.
  Status Keep(const std::string& digest, std::string_view content) const;

  // Gives the complete, checked file at `path`, open at `fd`, the blob's name, durably. `path` is
  // on the same file system. On failure the file may still be at `path`.
  Status Publish(const std::string& digest, const std::filesystem::path& path, int fd) const;

  // As Publish, of a file that is not open.
  Status Adopt(const std::string& digest, const std::filesystem::path& path) const;

  // Removes a blob. Succeeds when there is none.
  Status Remove(const std::string& digest) const;

  // Says that the blob was used just now. A failure is not reported: it costs no more than a worse
  // choice of what to remove first.
  void Touch(const std::string& digest) const;

  // Sets or removes an operator's wish to keep the blob, there or not, durably.
  Status SetPinned(const std::string& digest, bool pinned) const;
  bool IsPinned(const std::string& digest) const;

  // Whether a VM has the blob open. QEMU takes OFD read locks on its images (`locking=auto`, docs
  // of -blockdev), which live as long as the VM, whoever started it.
  bool IsHeldByVm(const std::string& digest) const;

  // Returns all blobs, least recently used first. `is_used` is called for each.
  Result<std::vector<CachedBlob>> List(const IsBlobUsed& is_used) const;

  // Removes the files that a crash in Keep left. At start-up only, before any Keep.
  Status RemoveLeftovers() const;

 private:
  const RootDirectory& root_;
};

}  // namespace locket::snapshotter
