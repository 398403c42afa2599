// The agent process, PID 1's child: puts the real implementations together and serves the shim.
//
// It reads initdata and prepares the way to the broker first. If that fails the guest still serves,
// so that the shim is told why no image is opened.
#pragma once

#include "base/unique_fd.h"

namespace locket::guest_agent {

// Serves the shim until it calls Shutdown, and then ends this process with status 0 once all
// containers are gone, or after 30 s by SIGALRM. Returns the exit status 1 if the agent cannot
// serve; the reason is logged. `exit_records` comes from PID 1 (init.h).
int RunAgent(UniqueFd exit_records);

}  // namespace locket::guest_agent
