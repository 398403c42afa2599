// The virtio-serial ports of docs/formats/guest-channels.md, found by name.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

inline constexpr std::string_view kAgentPort = "dev.locket.agent";
inline constexpr std::string_view kRelayPort = "dev.locket.relay";
inline constexpr std::string_view kTeePort = "dev.locket.tee";

// Returns whether every port under `ports` (/sys/class/virtio-ports) has a name. The host announces
// all ports before it names the first one, so a name that is still missing then will never come.
bool AllPortsNamed(const std::filesystem::path& ports);

// Waits until all ports of this guest have names, at most `timeout`. Ports that have none by then
// are never found.
void AwaitPortNames(std::chrono::milliseconds timeout);

// Opens the port `name`. Call AwaitPortNames before. Returns nothing if there is no such port.
Result<std::optional<UniqueFd>> OpenPortIfPresent(std::string_view name);

}  // namespace locket::guest_agent
