// What the operator decides: a TOML file, and flags that win over it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "device-plugin/tee_count.h"

namespace locket::device_plugin {

// One thing that pods can ask for.
struct Resource {
  Tee tee;
  std::string name;       // as pods ask for it; empty: not announced
  uint32_t reserved = 0;  // guests that are left for others than pods
  uint32_t emulated = 0;  // of the emulated TEE, in place of the kernel's number
  bool operator==(const Resource&) const = default;
};

struct Options {
  std::filesystem::path kubelet_dir = "/var/lib/kubelet/device-plugins";
  std::filesystem::path root = "/";  // where the kernel's /sys is
  std::chrono::seconds check_interval{30};
  std::chrono::seconds register_timeout{10};
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
  std::vector<Resource> resources{
      {.tee = Tee::kSnp, .name = "locket.dev/snp"},
      {.tee = Tee::kTdx, .name = "locket.dev/tdx"},
      {.tee = Tee::kEmulated, .name = "locket.dev/emulated"},
  };
  bool operator==(const Options&) const = default;
};

enum class Action { kServe, kList, kListJson, kCheckConfig };

struct CommandLine {
  Options options{};
  Action action = Action::kServe;
  std::optional<std::string> print{};  // --help, --version: print this and exit with 0
};

// kInvalidArgument: not TOML, an unknown key, a wrong type or value; the message names the key.
Result<Options> ParseConfig(std::string_view text);

// kInvalidArgument: wrong flags. Reads the file that --config names.
Result<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace locket::device_plugin
