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

// In the guest: the virtio-serial port called `name` (found through /sys/class/virtio-ports), as a
// stream socket; rpc/virtio_stream.h says how the socket follows the port. Waits up to `timeout`
// for the port to appear and for others to let go of it, not for the host to connect. kNotFound: it
// did not appear. kFailedPrecondition: someone else has it open.
Result<UniqueFd> OpenVirtioPort(std::string_view name, std::chrono::milliseconds timeout);

}  // namespace locket::rpc
