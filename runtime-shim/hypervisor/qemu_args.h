// QEMU's command line, a pure function of the VM's description.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// Names inside VmSpec::dir.
inline constexpr std::string_view kQmpSocket = "qmp.sock";
inline constexpr std::string_view kAgentSocket = "agent.sock";
inline constexpr std::string_view kRelaySocket = "relay.sock";
inline constexpr std::string_view kConsoleSocket = "console.sock";
inline constexpr std::string_view kTeeSocket = "tee.sock";
inline constexpr std::string_view kQemuPidFile = "qemu.pid";
inline constexpr std::string_view kQemuLog = "qemu.log";

// kInvalidArgument: the directory is too long for socket addresses, or a disk's id or serial is not
// one that every QEMU takes.
Result<std::vector<std::string>> QemuArgs(const VmSpec& spec);

// QemuArgs, or the emulator's command line around it.
Result<std::vector<std::string>> LaunchArgs(const VmSpec& spec);

// kInvalidArgument: not as DiskSpec says.
Status CheckDisk(const DiskSpec& disk);

// QEMU's translations of the guest's code, with accelerator TCG. By itself QEMU takes up to 1 GiB.
inline constexpr uint32_t kTranslationsMib = 64;

// Where disk number `index` (counted from 0, used again when the numbers are through) sits on the
// SCSI bus. LUNs stay below 256: from there on Linux sees LUN + 16384.
struct ScsiAddress {
  uint32_t target;
  uint32_t lun;
  bool operator==(const ScsiAddress&) const = default;
};
ScsiAddress DiskAddress(uint32_t index);
inline constexpr uint32_t kMaxDisks = 4096;
// Places kept for the disks a VM is launched with, whether it has them or not.
inline constexpr uint32_t kInitdataIndex = 0;
inline constexpr uint32_t kScratchIndex = 1;
inline constexpr uint32_t kFirstHotplugIndex = 2;

// QMP arguments, as JSON texts, for one disk: the block node and the device on it.
std::string BlockdevJson(const DiskSpec& disk);
std::string ScsiDiskJson(const DiskSpec& disk, ScsiAddress address);

}  // namespace locket::runtime_shim
