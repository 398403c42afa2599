// The disks of one QEMU on its SCSI bus, through QMP: which disks there are, and the place of each.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "runtime-shim/hypervisor/qmp.h"
#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// A place on the bus is used again only after all others were used. The reason: the guest learns of
// a disk that left and of one that came through events, which it may handle in any order, and it
// would confuse two events about the same place. Thread-safe.
//
// A disk is plugged in two steps, the block node and the device on it, and unplugged in the reverse
// order. If QEMU takes longer than 5 s to give the device up, the disk is "leaving": Detach fails,
// and the disk keeps its ID and its place until a later call finds that QEMU has finished.
class QemuDisks {
 public:
  // `qmp` must outlive the object. `spec`: the disks that QEMU is launched with keep their places.
  QemuDisks(QmpClient& qmp, const VmSpec& spec);
  QemuDisks(const QemuDisks&) = delete;
  QemuDisks& operator=(const QemuDisks&) = delete;

  // As Vmm::AttachDisk and Vmm::DetachDisk.
  Result<std::string> Attach(const DiskSpec& disk);
  Status Detach(const std::string& id);

 private:
  struct Place {
    uint32_t index;
    bool leaving = false;  // QEMU was told to remove it
    bool left = false;     // and has: the block node is all there is
  };
  using Places = std::map<std::string, Place>;

  Result<uint32_t> FreeIndex() LOCKET_REQUIRES(mutex_);
  // Removes the rest of a disk that leaves. On failure some of it is there still.
  Status Finish(const std::string& id, Place& place, std::chrono::milliseconds patience)
      LOCKET_REQUIRES(mutex_);
  void FinishLate() LOCKET_REQUIRES(mutex_);

  QmpClient& qmp_;
  Mutex mutex_;
  Places places_ LOCKET_GUARDED_BY(mutex_);  // by id
  uint32_t next_index_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::runtime_shim
