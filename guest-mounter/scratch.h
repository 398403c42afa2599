// The pod's scratch: a disk of the host's as room for what containers write, under a key that is
// born here and dies with this guest. Everything that says how to read the disk (dm-integrity's
// header, the tag of every sector) is in the guest's memory, so the host holds ciphertext and
// nothing else: what it changes, or puts back from before, fails to read
// (docs/decisions/0021-scratch.md).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "device/mapped_device.h"
#include "device/mounted.h"
#include "guest-mounter/open_layer.h"

namespace locket::guest_mounter {

inline constexpr std::string_view kScratchSerial = "locket-scratch";
inline constexpr uint64_t kMinScratchBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxScratchBytes = uint64_t{1} << 40;  // what the tag device has room for

// Makes an empty file system on a block device none of whose sectors can be read yet.
using MakeFileSystem = std::function<Status(const std::string& device)>;

struct ScratchOptions {
  std::filesystem::path directory;       // made and mounted on; its parent exists or is made
  std::string tag_device = "/dev/ram0";  // zeroed memory, given pages as it is written
  std::chrono::milliseconds device_timeout = std::chrono::seconds(15);
};

// Files on it read as they were written, or fail with an input/output error. Nothing on it is to
// outlive the guest, so nothing is ever flushed to the host's disk.
class Scratch {
 public:
  // Waits for the disk. Once a boot: the tag device must be empty. kInvalidArgument: the disk is
  // too small or too large. On failure nothing is left behind.
  static Result<std::unique_ptr<Scratch>> Open(const Seams& seams, const MakeFileSystem& make,
                                               const ScratchOptions& options);

  const std::string& path() const { return mount_.target(); }

  Scratch(device::MappedDevice integrity, device::MappedDevice crypt, device::Mounted mount)
      : integrity_(std::move(integrity)), crypt_(std::move(crypt)), mount_(std::move(mount)) {}

 private:
  // Order matters: members die in reverse, so what sits on top goes first.
  device::MappedDevice integrity_;
  device::MappedDevice crypt_;
  device::Mounted mount_;
};

}  // namespace locket::guest_mounter
