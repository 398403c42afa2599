// Where metrics are served, as an operator writes it.
#pragma once

#include <string_view>

#include "base/listener.h"
#include "base/result.h"

namespace locket::snapshotter {

// "127.0.0.1:9100" or "[::1]:9100": an address in numbers, and a port; or "unix:///run/x.sock".
// kInvalidArgument otherwise.
Status CheckMetricsAddress(std::string_view address);

// Listens there. A unix socket lets everybody connect whom the directories above let come so far,
// as a TCP port of this host does. kInvalidArgument: as CheckMetricsAddress.
Result<Listener> ListenForMetrics(std::string_view address);

}  // namespace locket::snapshotter
