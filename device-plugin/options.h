// What the operator decides: a TOML file (deploy/device-plugin.toml explains its keys), and flags
// that win over it.
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

// One extended resource that pods can ask for: one device of it is room for one guest of `tee`.
struct Resource {
  Tee tee;
  // As pods ask for it, "locket.dev/snp". Empty: this TEE is not announced.
  std::string name;
  // Guests of the kernel's number that are not announced, because others than pods start them.
  uint32_t reserved = 0;
  // For kEmulated only: how many devices there are. The kernel has no number for it.
  uint32_t emulated = 0;
  bool operator==(const Resource&) const = default;
};

struct Options {
  // Where the kubelet has its socket, and looks for ours.
  std::filesystem::path kubelet_dir = "/var/lib/kubelet/device-plugins";
  // The directory that has the kernel's /sys: "/", or a tree of files in tests.
  std::filesystem::path root = "/";
  // How long a change of the kernel's number goes unnoticed at most. There is no event for it.
  std::chrono::seconds check_interval{30};
  // How long the kubelet may take to answer a registration.
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

// Returns the options that the file's content `text` gives, with the defaults above for what it
// leaves out. kInvalidArgument: it is not TOML, or has an unknown key, a wrong type or value; the
// message names the line or the key.
Result<Options> ParseConfig(std::string_view text);

// Returns what the process is to do. Reads the file that --config names; what it says is overridden
// by flags, wherever they are. kInvalidArgument: a flag is unknown or has no value that it can
// have. Of the file: errors of reading it, and those of ParseConfig with its name.
Result<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace locket::device_plugin
