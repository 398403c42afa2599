// QEMU's command line, a pure function of the VM's description.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime-shim/hypervisor/vmm.h"

namespace locket::runtime_shim {

// Names of files inside VmSpec::dir.
inline constexpr std::string_view kQmpSocket = "qmp.sock";
inline constexpr std::string_view kAgentSocket = "agent.sock";
inline constexpr std::string_view kRelaySocket = "relay.sock";
inline constexpr std::string_view kConsoleSocket = "console.sock";
inline constexpr std::string_view kTeeSocket = "tee.sock";
inline constexpr std::string_view kQemuLog = "qemu.log";

// Returns the argument vector of QEMU, `qemu` first. kInvalidArgument: spec.dir is too long for
// socket addresses, or a disk's ID or serial number is not one that every QEMU takes.
Result<std::vector<std::string>> QemuArgs(const std::filesystem::path& qemu, const VmSpec& spec);

// Returns the argument vector to start the VM with: QemuArgs, or with an emulated TEE the
// emulator's with QemuArgs as its last arguments. Errors as QemuArgs.
Result<std::vector<std::string>> LaunchArgs(const std::filesystem::path& qemu, const VmSpec& spec);

// Checks ID and serial number. kInvalidArgument: one is not as DiskSpec says, or there is no
// serial.
Status CheckDisk(const DiskSpec& disk);

// Memory for QEMU's translations of the guest's code, with accelerator TCG. Without this limit QEMU
// takes up to 1 GiB.
inline constexpr uint32_t kTranslationsMib = 64;

// The place of a disk on the SCSI bus. LUNs stay below 256: Linux shows a larger one as LUN +
// 16384.
struct ScsiAddress {
  uint32_t target;
  uint32_t lun;
  bool operator==(const ScsiAddress&) const = default;
};
// Returns the place of disk number `index`, which is below kMaxDisks.
ScsiAddress DiskAddress(uint32_t index);
inline constexpr uint32_t kMaxDisks = 4096;
// Places kept for the disks a VM is launched with, whether it has them or not.
inline constexpr uint32_t kInitdataIndex = 0;
inline constexpr uint32_t kScratchIndex = 1;
inline constexpr uint32_t kFirstHotplugIndex = 2;

// Return the QMP arguments for one disk, as JSON: of its block node, and of the device on it.
std::string BlockdevJson(const DiskSpec& disk);
std::string ScsiDiskJson(const DiskSpec& disk, ScsiAddress address);

}  // namespace locket::runtime_shim
