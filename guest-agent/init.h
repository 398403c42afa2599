// PID 1: boots, starts the agent as its child, reaps whatever ends, and powers off when the agent
// has ended.
#pragma once

#include <functional>

#include "base/unique_fd.h"

namespace locket::guest_agent {

// Runs in the child; the argument is the reading end for ExitNotices. Its result becomes the exit
// status: 0 after an orderly Shutdown.
using AgentBody = std::function<int(UniqueFd exit_records)>;

// For PID 1 only. Never returns: every way out is a power-off, with its reason on the console.
[[noreturn]] void RunInit(const AgentBody& agent);

}  // namespace locket::guest_agent
