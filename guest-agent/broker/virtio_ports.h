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

// True once every port under `ports` has a name: the host announces all of them before it names
// the first, so a name that is absent then stays absent.
bool AllPortsNamed(const std::filesystem::path& ports);

// Waits until AllPortsNamed, at most `timeout`; an unnamed port is then passed over.
void AwaitPortNames(std::chrono::milliseconds timeout);

// Call AwaitPortNames before. Nothing: there is no such port.
Result<std::optional<UniqueFd>> OpenPortIfPresent(std::string_view name);

}  // namespace locket::guest_agent
