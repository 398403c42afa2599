// One sealed layer as a mounted file system: dm-verity, dm-crypt if it is encrypted, EROFS.
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

// What the guest's kernel and clock do for us; each outlives all that is opened through it.
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

class OpenLayer {
 public:
  // `key` is present exactly if the layer is encrypted. Waits for the disk, and for another with
  // the serial if that one leaves or fails while it is opened, until `device_timeout` is over.
  // kDataLoss: the message says "dm-verity found corrupted data". On failure nothing is left
  // behind.
  static Result<OpenLayer> Open(const Seams& seams, const AcceptedLayer& layer, const Secret* key,
                                const LayerPlace& place);

  const std::string& path() const { return mount_.target(); }

  // kDataLoss once any read of this layer has failed its check. kInternal: the kernel's word on it
  // is one we do not know.
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
