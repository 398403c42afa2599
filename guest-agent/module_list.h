// Kernel modules to load, in the order that guest-image/build found for them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::guest_agent {

struct ModuleEntry {
  std::string file;          // a name without a slash, beside the list
  bool required;             // the guest must not go on without it
  std::string parameters{};  // "name=value name=value"

  bool operator==(const ModuleEntry&) const = default;
};

// Returns the entries of a list. Each line is `required NAME.ko` or `optional NAME.ko`, followed by
// the module's parameters if it has any. kInvalidArgument: another line, which the message shows.
Result<std::vector<ModuleEntry>> ParseModuleList(std::string_view text);

// The lists of a guest image. The first is loaded at boot. The others are loaded only in a guest
// that is to have a network or a scratch disk, or that the host reaches over vsock: a driver that
// is not loaded cannot be attacked by the host.
inline constexpr std::string_view kBootModules = "/usr/lib/locket/modules/modules.list";
inline constexpr std::string_view kNetworkModules = "/usr/lib/locket/modules/network.list";
inline constexpr std::string_view kScratchModules = "/usr/lib/locket/modules/scratch.list";
inline constexpr std::string_view kVsockModules = "/usr/lib/locket/modules/vsock.list";

// Loads the modules that the file `list` names, from the list's directory. A module that is loaded
// already is skipped, and so is an optional one that does not load, because its CPU feature or
// device is absent. On failure some are loaded.
Status LoadModules(const std::filesystem::path& list);

}  // namespace locket::guest_agent
