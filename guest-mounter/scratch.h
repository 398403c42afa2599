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
  // Where it is mounted. Made, so it must not exist; its parent exists or is made.
  std::filesystem::path directory;
  // For the tag of every sector: zeroed memory, which takes pages as it is written. It holds 1 byte
  // for 128 of the disk.
  std::string tag_device = "/dev/ram0";
  // How long Open waits for the disk.
  std::chrono::milliseconds device_timeout = std::chrono::seconds(15);
};

// The scratch, mounted. Files on it read as they were written, or fail with an input/output error.
// Nothing on it is to outlive the guest, so nothing is ever flushed to the host's disk.
//
// The agent opens it once, before the first container, and keeps it until the guest ends; images
// (image_opener.h) and volumes keep their directories in it. Its destruction unmounts it, and its
// key is gone.
class Scratch {
 public:
  // Returns the scratch. `make` makes the file system on the encrypted device. Once a boot: the tag
  // device must be empty. On failure nothing is left behind but used tags, so a second try needs a
  // new boot. kDeadlineExceeded: no disk came. kInvalidArgument: the disk has less than
  // kMinScratchBytes or more than kMaxScratchBytes.
  static Result<std::unique_ptr<Scratch>> Open(const Seams& seams, const MakeFileSystem& make,
                                               const ScratchOptions& options);

  // Returns ScratchOptions::directory.
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
