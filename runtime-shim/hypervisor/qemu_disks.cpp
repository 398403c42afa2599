#include "runtime-shim/hypervisor/qemu_disks.h"

#include <algorithm>
#include <filesystem>

#include "runtime-shim/hypervisor/qemu_args.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;

// QEMU removes a SCSI disk without asking the guest, so within milliseconds.
constexpr milliseconds kUnplugPatience{5000};

std::string NodeJson(const std::string& id) { return R"({"node-name":")" + id + "\"}"; }
std::string DeviceOf(const std::string& id) { return "disk-" + id; }

}  // namespace

QemuDisks::QemuDisks(QmpClient& qmp, const VmSpec& spec)
    : qmp_(qmp), next_index_(kFirstHotplugIndex) {
  const MutexLock lock(mutex_);
  if (spec.initdata) places_.emplace(spec.initdata->id, Place{.index = kInitdataIndex});
  if (spec.scratch) places_.emplace(spec.scratch->id, Place{.index = kScratchIndex});
}

Result<std::string> QemuDisks::Attach(const DiskSpec& asked) {
  DiskSpec disk = asked;
  if (disk.serial.empty()) disk.serial = disk.id;
  LOCKET_TRY(CheckDisk(disk));
  const MutexLock lock(mutex_);
  FinishLate();
  if (places_.contains(disk.id)) {
    return Error(ErrorCode::kAlreadyExists, "disk '" + disk.id + "' is attached already");
  }
  std::error_code failed;
  if (!std::filesystem::is_regular_file(disk.path, failed)) {
    return Error(ErrorCode::kNotFound, "'" + disk.path.string() + "' is not there");
  }
  LOCKET_TRY_ASSIGN(const uint32_t index, FreeIndex());
  LOCKET_TRY(qmp_.Execute("blockdev-add", BlockdevJson(disk)));
  const auto added = qmp_.Execute("device_add", ScsiDiskJson(disk, DiskAddress(index)));
  if (!added.ok()) {
    (void)qmp_.Execute("blockdev-del", NodeJson(disk.id));
    return added.error();
  }
  places_.emplace(disk.id, Place{.index = index});
  next_index_ = index + 1;
  return disk.serial;
}

Status QemuDisks::Detach(const std::string& id) {
  const MutexLock lock(mutex_);
  FinishLate();
  const auto found = places_.find(id);
  if (found == places_.end() || found->second.leaving) {
    return Error(ErrorCode::kNotFound, "disk '" + id + "' is not attached");
  }
  found->second.leaving = true;  // QEMU may obey although its answer does not come
  LOCKET_TRY(qmp_.Execute("device_del", R"({"id":")" + DeviceOf(id) + "\"}"));
  LOCKET_TRY(Finish(id, found->second, kUnplugPatience));
  places_.erase(found);
  return Ok();
}

Status QemuDisks::Finish(const std::string& id, Place& place, milliseconds patience) {
  if (!place.left) LOCKET_TRY(qmp_.WaitDeviceDeleted(DeviceOf(id), patience));
  place.left = true;
  LOCKET_TRY(qmp_.Execute("blockdev-del", NodeJson(id)));
  return Ok();
}

void QemuDisks::FinishLate() {
  for (auto it = places_.begin(); it != places_.end();) {
    const bool gone = it->second.leaving && Finish(it->first, it->second, milliseconds(0)).ok();
    it = gone ? places_.erase(it) : std::next(it);
  }
}

Result<uint32_t> QemuDisks::FreeIndex() {
  const auto taken = [&](uint32_t index) LOCKET_REQUIRES(mutex_) {
    return std::ranges::any_of(places_, [&](const auto& p) { return p.second.index == index; });
  };
  constexpr uint32_t kPlaces = kMaxDisks - kFirstHotplugIndex;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    const uint32_t index = kFirstHotplugIndex + (next_index_ - kFirstHotplugIndex + i) % kPlaces;
    if (!taken(index)) return index;
  }
  return Error(ErrorCode::kResourceExhausted,
               "the pod's containers have " + std::to_string(kPlaces) +
                   " different layers already, and a VM has no place for more");
}

}  // namespace locket::runtime_shim
