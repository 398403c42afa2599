// A real guest under QEMU (TCG), as the shim would boot it, for tests.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/subprocess.h"
#include "rpc/ttrpc_client.h"

namespace locket::guest_agent {

struct VmDisk {
  std::string serial;
  std::filesystem::path file;
  bool writable = false;
};

struct VmOptions {
  std::filesystem::path image_directory;  // guest-image/build's --out
  std::vector<VmDisk> disks{};
  std::optional<std::filesystem::path> initrd{};  // instead of the image's own
  std::optional<std::string> nic_mac{};           // a network device; nobody else is on its wire
  int memory_mib = 512;
  std::string more_cmdline = " locket.tee=none";  // behind the image's own
  std::vector<std::string> more_arguments{};      // of QEMU
};

class Vm {
 public:
  static Result<std::unique_ptr<Vm>> Boot(const VmOptions& options);

  // The agent's service; calls wait until it is up.
  rpc::TtrpcClient& agent() { return *agent_; }

  // Where QEMU takes orders (QMP).
  std::filesystem::path qmp() const { return directory_.path() / "qmp"; }

  // What the guest wrote on its console so far.
  std::string Console() const;

  // Sends a BREAK and `key` on the serial line, as a host can.
  Status SendSysRq(char key);

  // QEMU's exit status, once the guest has powered off.
  Result<int> AwaitPowerOff(std::chrono::milliseconds timeout) { return qemu_->Wait(timeout); }

 private:
  explicit Vm(TempDir directory) : directory_(std::move(directory)) {}

  TempDir directory_;
  std::optional<Subprocess> qemu_;
  std::unique_ptr<rpc::TtrpcClient> agent_;
  UniqueFd serial_;  // to the serial line; not before SendSysRq
};

// Why no VM can be booted here; empty if one can.
std::string LacksForVm(const std::filesystem::path& image_directory);

// LOCKET_GUEST_IMAGE, or the build's own.
std::filesystem::path GuestImageDirectory();

}  // namespace locket::guest_agent
