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

// Waits until the console is written out and powers the machine off.
[[noreturn]] void PowerOff();

}  // namespace locket::guest_agent
