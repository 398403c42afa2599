// Where metrics are served, as an operator writes it.
#pragma once

#include <string_view>

#include "base/result.h"

namespace locket::snapshotter {

// "127.0.0.1:9100" or "[::1]:9100": an address in numbers, and a port. kInvalidArgument otherwise.
Status CheckMetricsAddress(std::string_view address);

}  // namespace locket::snapshotter
