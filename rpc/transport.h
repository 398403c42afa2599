// Streams for ttrpc: unix sockets, vsock, virtio-serial ports.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::rpc {

// Listens on `path` (mode 0600), replacing a socket nobody listens on. kAlreadyExists: someone
// does.
Result<UniqueFd> ListenUnix(const std::filesystem::path& path);
Result<UniqueFd> ConnectUnix(const std::filesystem::path& path);

Result<UniqueFd> ListenVsock(uint32_t port);
Result<UniqueFd> ConnectVsock(uint32_t cid, uint32_t port);

// In the guest: the virtio-serial port called `name` (found through /sys/class/virtio-ports),
// waiting up to `timeout` for it to appear. kNotFound: it did not.
Result<UniqueFd> OpenVirtioPort(std::string_view name, std::chrono::milliseconds timeout);

}  // namespace locket::rpc
