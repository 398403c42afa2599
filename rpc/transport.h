// Streams for ttrpc: unix sockets, vsock, virtio-serial ports.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::rpc {

// Returns a socket that listens on `path`, with mode 0600; the path may be longer than sun_path. A
// socket that a dead server left is replaced. kAlreadyExists: a server listens there.
Result<UniqueFd> ListenUnix(const std::filesystem::path& path);
Result<UniqueFd> ConnectUnix(const std::filesystem::path& path);

Result<UniqueFd> ListenVsock(uint32_t port);
Result<UniqueFd> ConnectVsock(uint32_t cid, uint32_t port);

// For the guest: returns the virtio-serial port called `name` (found through
// /sys/class/virtio-ports) as a stream socket; rpc/virtio_stream.h says how the socket follows the
// port. Waits up to `timeout` until the port is there and no other process has it open. Does not
// wait for the host to connect. kNotFound: the port did not appear. kFailedPrecondition: another
// process still has it open.
Result<UniqueFd> OpenVirtioPort(std::string_view name, std::chrono::milliseconds timeout);

}  // namespace locket::rpc
