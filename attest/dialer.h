// How a client reaches a host and port. The guest has no network: its dialer asks the relay.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::attest {

// Gives a connected stream socket for "host:port" (IPv6 in brackets). Called from one thread at a
// time.
using Dialer = std::function<Result<UniqueFd>(const std::string& host_port,
                                              std::chrono::milliseconds timeout)>;

// TCP to the address asked for. kUnavailable: refused or not found. kDeadlineExceeded: too slow.
Dialer TcpDialer();
// TCP to `address` ("127.0.0.1:1234") whatever is asked for: the far end of a local relay.
Dialer TcpDialerTo(std::string address);

}  // namespace locket::attest
