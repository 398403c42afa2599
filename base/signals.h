// Signals read from a descriptor, for programs that wait for them beside other things.
#pragma once

#include <signal.h>

#include <initializer_list>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// Blocks `signals` in the calling thread and returns a signalfd(2) that they can be read from, with
// SFD_CLOEXEC and `flags` (SFD_NONBLOCK). Call it in main before other threads start: they inherit
// the mask. A thread that does not have the signals blocked would die of them.
//
// `before`, if not null, gets the thread's former mask, which a child needs before it executes
// another program: a mask survives execve(2).
Result<UniqueFd> CatchSignals(std::initializer_list<int> signals, int flags = 0,
                              sigset_t* before = nullptr);

}  // namespace locket
