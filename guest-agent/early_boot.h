// What PID 1 does before anything else runs. Each step is done once, in main's order, and undone by
// nobody: a guest in which one fails powers off.
#pragma once

#include "base/result.h"

namespace locket::guest_agent {

// Makes the root directory a mount of its own: pivot_root(2), which crun needs, refuses the
// initramfs itself.
Status LeaveInitramfs();

// /proc, /sys, /dev, /dev/pts, /dev/shm, /run, /tmp, /sys/fs/cgroup.
Status MountBase();

// Mixes RDRAND into the kernel's pool and credits it: everything else in the pool may be the host's
// own choice, and keys that it can guess protect nothing. kFailedPrecondition: this CPU has no
// RDRAND, or the host hides it.
Status SeedEntropy();

// Brings `lo` up.
Status RaiseLoopback();

// PID 1 and its children, the agent among them, may open many files, and are the last that the
// kernel kills for want of memory.
Status RaiseOwnLimits();

// Powers the machine off at once. What is on its way to the console may be lost: see ConsolePump.
[[noreturn]] void PowerOff();

}  // namespace locket::guest_agent
