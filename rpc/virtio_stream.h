// Virtio-serial ports with the manners of a socket. The port's device file stays open while the
// host connects and goes; read then returns 0 and poll says POLLHUP, again and again
// (drivers/char/virtio_console.c). Servers and clients want one stream per host connection instead.
#pragma once

#include <chrono>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "rpc/ttrpc_server.h"

namespace locket::rpc {

// A stream socket whose other end a thread joins with `port`. Nothing can be read from it before
// the host connects, and what is written waits for the host. When the host disconnects, what it
// sent is still delivered and then the socket ends. When the caller closes the socket, what it
// wrote before is delivered if a host is there that takes it; then the port is closed.
Result<UniqueFd> JoinPort(UniqueFd port);

// Where the kernel shows ports; tests have their own.
struct VirtioPortPaths {
  std::filesystem::path ports = "/sys/class/virtio-ports";
  std::filesystem::path devices = "/dev";
};

// OpenVirtioPort (rpc/transport.h) with the paths to choose.
Result<UniqueFd> OpenVirtioPortIn(const VirtioPortPaths& paths, std::string_view name,
                                  std::chrono::milliseconds timeout);

// Serves port `name`, one host connection after the other, on the calling thread until the server
// stops; the last answers are with the host when it returns. A connection that ends badly (cut off
// or stalled inside a frame) costs only itself. Fails when the port cannot be opened within
// `timeout`.
Status ServeVirtioPort(TtrpcServer& server, std::string_view name,
                       std::chrono::milliseconds timeout, const VirtioPortPaths& paths = {});

}  // namespace locket::rpc
