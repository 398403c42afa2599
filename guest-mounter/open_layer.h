// One sealed layer as a mounted file system. From the disk up:
//   disk        the blob, found by its serial number, read by the host's leave
//   NAME-verity dm-verity: fails reads of bytes that are not those of the root hash
//   NAME-crypt  dm-crypt, if the layer is encrypted
//   EROFS       read-only and nodev, mounted at DIRECTORY/NAME
// All tables are made from the accepted manifest and an authenticated key packet. No byte of the
// disk says how to read it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "device/block_devices.h"
#include "device/dm_control.h"
#include "device/mapped_device.h"
#include "device/mounted.h"
#include "guest-mounter/image_policy.h"

namespace locket::guest_mounter {

// The guest's kernel and clock, or fakes of them in tests. Each outlives all that is opened through
// it.
struct Seams {
  device::DmControl& dm;
  device::MountControl& mounts;
  device::BlockDevices& disks;
  const Clock& clock;
};

struct LayerPlace {
  std::string serial;               // of the disk; a hint
  std::string name;                 // unique in this guest, for devices and the directory
  std::filesystem::path directory;  // where directory `name` is made and mounted on
  std::chrono::milliseconds device_timeout;
};

// A layer that is open. Its destruction unmounts it and removes its devices, the top one first;
// what is in use then goes with its last user.
class OpenLayer {
 public:
  // Returns the open layer. `key` is present exactly if the layer is encrypted, and is not needed
  // afterwards. Waits for a disk with the serial until `device_timeout` is over. A disk may leave
  // while it is opened, because the host takes it out or gives its serial to another: what that
  // disk failed at is forgotten, and the next disk is waited for. On failure nothing is left
  // behind. kDeadlineExceeded: no disk came. kDataLoss: the disk has another size than the blob, or
  // dm-verity found corrupted data; neither is tried again. Other errors are those of the kernel's
  // calls on a disk that is there.
  static Result<OpenLayer> Open(const Seams& seams, const AcceptedLayer& layer, const Secret* key,
                                const LayerPlace& place);

  // Returns where it is mounted: DIRECTORY/NAME.
  const std::string& path() const { return mount_.target(); }

  // Asks the kernel whether a read of this layer has failed its check since it was opened; this
  // reads nothing itself. kDataLoss: one has. kInternal: the kernel's answer is none that we know.
  // Thread-safe.
  Status CheckIntact() const;

 private:
  static Result<OpenLayer> OpenOn(const device::BlockDevice& disk, const Seams& seams,
                                  const AcceptedLayer& layer, const Secret* key,
                                  const LayerPlace& place);

  OpenLayer(std::string digest, device::MappedDevice verity,
            std::optional<device::MappedDevice> crypt, device::Mounted mount)
      : digest_(std::move(digest)),
        verity_(std::move(verity)),
        crypt_(std::move(crypt)),
        mount_(std::move(mount)) {}

  std::string digest_;
  // Order matters: members die in reverse, so what sits on top goes first.
  device::MappedDevice verity_;
  std::optional<device::MappedDevice> crypt_;
  device::Mounted mount_;
};

}  // namespace locket::guest_mounter
