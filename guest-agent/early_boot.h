// What PID 1 does before anything else runs. Each step is done once, in the order of init.cpp, and
// never undone. A guest in which a step fails powers off.
#pragma once

#include "base/result.h"

namespace locket::guest_agent {

// Makes the root directory a mount of its own: pivot_root(2), which crun needs, refuses the
// initramfs itself.
Status LeaveInitramfs();

// Mounts /proc, /sys, /dev, /dev/pts, /dev/shm, /run, /tmp and /sys/fs/cgroup.
Status MountBase();

// Mixes RDRAND into the kernel's entropy pool and credits it. The host may have chosen everything
// else in the pool, and a key that the host can guess protects nothing. kFailedPrecondition: this
// CPU has no RDRAND, or the host hides it.
Status SeedEntropy();

// Brings `lo` up.
Status RaiseLoopback();

// Lets PID 1 and its children, the agent among them, open kOpenFiles files, and makes them the last
// processes that the kernel kills when memory runs out.
Status RaiseOwnLimits();

// Powers the machine off at once. Text that has not reached the console yet is lost: call
// ConsolePump::Finish before.
[[noreturn]] void PowerOff();

}  // namespace locket::guest_agent
