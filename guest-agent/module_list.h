// Kernel modules in the order that guest-image/build found for them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::guest_agent {

struct ModuleEntry {
  std::string file;
  bool required;
  std::string parameters{};  // "name=value name=value"

  bool operator==(const ModuleEntry&) const = default;
};

// Lines `required NAME.ko` or `optional NAME.ko`, each with the module's parameters behind it if it
// takes any. kInvalidArgument names the first line that is neither.
Result<std::vector<ModuleEntry>> ParseModuleList(std::string_view text);

// What the boot loads, and what only a guest does that is to have a network or a scratch disk, or
// that the host reaches over vsock: a driver that the host talks to is best not there.
inline constexpr std::string_view kBootModules = "/usr/lib/locket/modules/modules.list";
inline constexpr std::string_view kNetworkModules = "/usr/lib/locket/modules/network.list";
inline constexpr std::string_view kScratchModules = "/usr/lib/locket/modules/scratch.list";
inline constexpr std::string_view kVsockModules = "/usr/lib/locket/modules/vsock.list";

// Loads what the file `list` names, from beside it. A module that is loaded already is fine; an
// optional one that does not load (its CPU feature or device is absent) is left out.
Status LoadModules(const std::filesystem::path& list);

}  // namespace locket::guest_agent
