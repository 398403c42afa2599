// Where metrics are served, as an operator writes it.
#pragma once

#include <string_view>

#include "base/listener.h"
#include "base/result.h"

namespace locket::snapshotter {

// Checks that the address is an IP address in numbers and a port ("127.0.0.1:9100", "[::1]:9100"),
// or a socket path ("unix:///run/x.sock"). kInvalidArgument otherwise.
Status CheckMetricsAddress(std::string_view address);

// Listens on the address. Every local user may connect to a unix socket, as to a TCP port, if the
// permissions of the directories above it allow that. kInvalidArgument: as CheckMetricsAddress.
Result<Listener> ListenForMetrics(std::string_view address);

}  // namespace locket::snapshotter
