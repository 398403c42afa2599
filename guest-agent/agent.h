// The agent process: real implementations put together, then served.
#pragma once

#include "base/unique_fd.h"

namespace locket::guest_agent {

// Serves the shim until Shutdown; the exit status. `exit_records` comes from PID 1 (init.h).
int RunAgent(UniqueFd exit_records);

}  // namespace locket::guest_agent
