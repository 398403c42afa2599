// The shim's configuration, as it is in /etc/locket/runtime-shim.toml. deploy/runtime-shim.toml
// explains every key to operators; a field here has the name of its key, without the unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr std::string_view kDefaultConfigPath = "/etc/locket/runtime-shim.toml";

// What the operator asks for. kAuto: KVM where it works, else emulation (Hypervisor in vmm.h).
enum class AcceleratorChoice { kAuto, kKvm, kTcg };
// The VM's trusted execution environment. kEmulated protects nothing: it is for tests.
enum class Tee { kNone, kEmulated };

// One configuration that was read whole and checked. It does not change while the shim runs.
// Paths are absolute; programs are looked up in PATH unless they have a slash (program_path.h).
struct Config {
  std::filesystem::path guest_image_dir;  // what every VM boots (guest_image.h)
  // Of all pods: each has a directory in it, named by its ID, which is removed with the pod.
  std::filesystem::path state_dir = "/run/locket/shim";
  std::filesystem::path qemu = "qemu-system-x86_64";
  AcceleratorChoice accelerator = AcceleratorChoice::kAuto;
  Tee tee = Tee::kNone;
  std::filesystem::path tee_emulator = "locket-tee-emulator";  // a program; only with kEmulated
  std::filesystem::path tee_emulator_dir{};                    // its keys; only with kEmulated
  // Where guests may connect to through the relay, "host:port", compared as text.
  std::vector<std::string> relay_allow{};
  std::string kernel_params{};  // added to the image's command line, so to the launch measurement
  uint32_t memory_mib = 1024;   // of each guest; the hypervisor takes more beside it
  uint32_t vcpus = 2;           // of each guest
  bool direct_io = false;       // reads of layers bypass the host's page cache
  // Size of the disk for what a pod's containers write; 0: they write to the guest's memory.
  uint32_t scratch_mib = 0;
  std::filesystem::path scratch_dir = "/var/lib/locket/scratch";  // of the files of such disks
  bool pod_cgroup = true;                     // the VM runs in the pod's cgroup, and counts there
  std::chrono::seconds boot_timeout{120};     // from the VM's start to its agent's first answer
  std::chrono::seconds prepare_timeout{300};  // for the guest to open one image
  std::chrono::seconds call_timeout{60};      // for any other call to the agent or to QEMU, at most
  log::Level log_level = log::Level::kInfo;
};

// Returns the configuration that `toml` describes, with defaults for the keys that it lacks.
// kInvalidArgument: not TOML, an unknown key, a value of the wrong type or out of range, or no
// guest_image_dir; the message names the key and what it must be.
Result<Config> ParseConfig(std::string_view toml);
// The same of a file. kNotFound: there is none; the message says how to get one.
Result<Config> LoadConfig(const std::filesystem::path& path);

}  // namespace locket::runtime_shim
