// Keeps containers from opening the guest's devices, whatever device nodes they make and whatever
// crun allows.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace locket::guest_agent {

// Makes the control group `cgroup` (cgroup v2) and attaches a device program to it. The program
// holds for every group below it, until the guest ends: a process may make any device node, but may
// open only null, zero, full, random, urandom, tty, ptmx and pseudo-terminals. A program that crun
// attaches to a group below can only take more away. On failure the group may exist without the
// program, and no container may run.
Status GuardDevices(const std::filesystem::path& cgroup);

}  // namespace locket::guest_agent
