#include "runtime-shim/config/config.h"

#include <algorithm>

#include "base/file.h"
#include "base/toml_table.h"

namespace locket::runtime_shim {
namespace {

constexpr size_t kMaxConfigBytes = 1U << 20;
constexpr int64_t kMaxSeconds = 24 * 3600;
constexpr uint32_t kLeastScratchMib = 16;
// The guest keeps tags of 1/128 of what is written in memory, and its kernel caches some of them
// again: at this ratio a full disk takes a quarter to half of the memory.
constexpr uint64_t kScratchPerMemory = 32;

Error Bad(std::string_view key, const std::string& why) { return WrongKey(key, why); }

Status TakeAccelerator(TomlTable& table, AcceleratorChoice* out) {
  std::string text = "auto";
  LOCKET_TRY(table.Take("accelerator", &text));
  if (text == "auto") {
    *out = AcceleratorChoice::kAuto;
  } else if (text == "kvm") {
    *out = AcceleratorChoice::kKvm;
  } else if (text == "tcg") {
    *out = AcceleratorChoice::kTcg;
  } else {
    return Bad("accelerator", "must be \"auto\", \"kvm\" or \"tcg\"");
  }
  return Ok();
}

Status TakeTee(TomlTable& table, Tee* out) {
  std::string text = "none";
  LOCKET_TRY(table.Take("tee", &text));
  if (text == "none") {
    *out = Tee::kNone;
  } else if (text == "emulated") {
    *out = Tee::kEmulated;
  } else if (text == "snp" || text == "tdx") {
    return Bad("tee", "\"" + text + "\" is not supported by this version");
  } else {
    return Bad("tee", "must be \"none\" or \"emulated\"");
  }
  return Ok();
}

Status TakeTables(TomlTable& table, Config& config) {
  LOCKET_TRY_ASSIGN(auto emulator, table.TakeTable("tee_emulator"));
  LOCKET_TRY(emulator.Take("path", &config.tee_emulator));
  LOCKET_TRY(emulator.Take("dir", &config.tee_emulator_dir));
  LOCKET_TRY(emulator.Finish());
  LOCKET_TRY_ASSIGN(auto relay, table.TakeTable("relay"));
  LOCKET_TRY(relay.Take("allow", &config.relay_allow));
  return relay.Finish();
}

Status TakeAll(TomlTable& table, Config& config) {
  LOCKET_TRY(table.Take("guest_image_dir", &config.guest_image_dir));
  LOCKET_TRY(table.Take("state_dir", &config.state_dir));
  LOCKET_TRY(table.Take("qemu", &config.qemu));
  LOCKET_TRY(TakeAccelerator(table, &config.accelerator));
  LOCKET_TRY(TakeTee(table, &config.tee));
  LOCKET_TRY(table.Take("kernel_params", &config.kernel_params));
  LOCKET_TRY(table.Take("memory_mib", 128, 1U << 20, &config.memory_mib));
  LOCKET_TRY(table.Take("vcpus", 1, 255, &config.vcpus));
  LOCKET_TRY(table.Take("direct_io", &config.direct_io));
  LOCKET_TRY(table.Take("scratch_mib", 0, 1U << 20, &config.scratch_mib));
  LOCKET_TRY(table.Take("scratch_dir", &config.scratch_dir));
  LOCKET_TRY(table.Take("pod_cgroup", &config.pod_cgroup));
  LOCKET_TRY(table.Take("boot_timeout_s", 1, kMaxSeconds, &config.boot_timeout));
  LOCKET_TRY(table.Take("prepare_timeout_s", 1, kMaxSeconds, &config.prepare_timeout));
  LOCKET_TRY(table.Take("call_timeout_s", 1, kMaxSeconds, &config.call_timeout));
  std::string level = "info";
  LOCKET_TRY(table.Take("log_level", &level));
  LOCKET_TRY_ASSIGN(config.log_level, log::ParseLevel(level).While("key 'log_level'"));
  LOCKET_TRY(TakeTables(table, config));
  return table.Finish();
}

Status CheckScratch(const Config& config) {
  if (config.scratch_mib > 0 && config.scratch_mib < kLeastScratchMib) {
    return Bad("scratch_mib", "must be 0, or at least " + std::to_string(kLeastScratchMib));
  }
  if (config.scratch_mib > kScratchPerMemory * config.memory_mib) {
    return Bad("scratch_mib", "must be at most " + std::to_string(kScratchPerMemory) +
                                  " times memory_mib: the guest keeps a tag for each sector");
  }
  if (!config.scratch_dir.is_absolute()) return Bad("scratch_dir", "must be an absolute path");
  return Ok();
}

Status Check(const Config& config) {
  if (!config.guest_image_dir.is_absolute()) {
    return Bad("guest_image_dir", "required, an absolute path");
  }
  if (!config.state_dir.is_absolute()) return Bad("state_dir", "must be an absolute path");
  LOCKET_TRY(CheckScratch(config));
  if (config.tee == Tee::kEmulated && !config.tee_emulator_dir.is_absolute()) {
    return Bad("tee_emulator.dir", "required with tee = \"emulated\", an absolute path");
  }
  if (std::ranges::any_of(config.kernel_params,
                          [](unsigned char c) { return c < 0x20 || c > 0x7e; })) {
    return Bad("kernel_params", "must be printable ASCII");
  }
  for (const std::string& entry : config.relay_allow) {
    const size_t colon = entry.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == entry.size()) {
      return Bad("relay.allow", "'" + entry + "' is not host:port");
    }
  }
  return Ok();
}

}  // namespace

Result<Config> ParseConfig(std::string_view text) {
  Config config{.guest_image_dir = {}};
  LOCKET_TRY_ASSIGN(TomlTable table, TomlTable::Parse(text));
  LOCKET_TRY(TakeAll(table, config));
  LOCKET_TRY(Check(config));
  return config;
}

Result<Config> LoadConfig(const std::filesystem::path& path) {
  const std::string doing = "read configuration '" + path.string() + "'";
  const auto text = ReadFile(path, kMaxConfigBytes);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound,
                 doing +
                     ": it is not there; deploy/runtime-shim.toml is one to begin with, and "
                     "ConfigPath of the runtime's options in containerd's configuration says "
                     "where it lies");
  }
  if (!text.ok()) return Error(text.error()).While(doing);
  return ParseConfig(*text).While(doing);
}

}  // namespace locket::runtime_shim
