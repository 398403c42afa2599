// PID 1: boots, starts the agent as its child, reaps every process that ends, and powers off when
// the agent has ended. It never waits for the host: the console has a process of its own
// (console_pump.h).
#pragma once

#include <functional>

#include "base/unique_fd.h"

namespace locket::guest_agent {

// What the child runs. `exit_records`: the pipe for ExitNotices (exit_notices.h). Returns the
// child's exit status, 0 after an orderly Shutdown.
using AgentBody = std::function<int(UniqueFd exit_records)>;

// Runs PID 1. Never returns: in every case the machine is powered off in the end, with the reason
// on the console.
[[noreturn]] void RunInit(const AgentBody& agent);

}  // namespace locket::guest_agent
