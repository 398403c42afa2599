// The shim's configuration: deploy/runtime-shim.toml explains every key.
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

enum class AcceleratorChoice { kAuto, kKvm, kTcg };
enum class Tee { kNone, kEmulated };

struct Config {
  std::filesystem::path guest_image_dir;
  std::filesystem::path state_dir = "/run/locket/shim";
  std::filesystem::path qemu = "qemu-system-x86_64";  // looked up in PATH unless it has a slash
  AcceleratorChoice accelerator = AcceleratorChoice::kAuto;
  Tee tee = Tee::kNone;
  std::filesystem::path tee_emulator = "locket-tee-emulator";
  std::filesystem::path tee_emulator_dir{};
  std::vector<std::string> relay_allow{};  // "host:port"
  std::string kernel_params{};
  uint32_t memory_mib = 1024;
  uint32_t vcpus = 2;
  bool direct_io = false;    // layers bypass the host's page cache
  uint32_t scratch_mib = 0;  // 0: containers write to memory
  std::filesystem::path scratch_dir = "/var/lib/locket/scratch";
  bool pod_cgroup = true;  // the VM runs in the pod's cgroup
  std::chrono::seconds boot_timeout{120};
  std::chrono::seconds prepare_timeout{300};
  std::chrono::seconds call_timeout{60};
  log::Level log_level = log::Level::kInfo;
};

// kInvalidArgument: not TOML, an unknown key, a value of the wrong type or out of range; the
// message names the key.
Result<Config> ParseConfig(std::string_view toml);
Result<Config> LoadConfig(const std::filesystem::path& path);

}  // namespace locket::runtime_shim
