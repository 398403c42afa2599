// How a client reaches a host and port. The guest has no network: its dialer asks the relay.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::attest {

// Returns a connected stream socket for "host:port" (IPv6 in brackets), which the caller owns.
// Called from one thread at a time. Errors are the dialer's own; HttpsClient passes them on.
using Dialer = std::function<Result<UniqueFd>(const std::string& host_port,
                                              std::chrono::milliseconds timeout)>;

// Returns a dialer that connects by TCP. It tries each address of the host in turn, each for
// `timeout`. kUnavailable: refused, or the name is not found. kDeadlineExceeded: no answer in time.
// kInvalidArgument: there is no port.
Dialer TcpDialer();

}  // namespace locket::attest
