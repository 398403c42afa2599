// Keeps containers from the guest's devices, whatever nodes they make and whatever crun allows.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace locket::guest_agent {

// Makes the control group `cgroup` (of cgroup v2) and attaches a device program to it that holds
// for every group below: a process may make any node, and open null, zero, full, random, urandom,
// tty, ptmx and pseudo-terminals only. A program that crun attaches further down can only take
// away. Lasts until the guest ends. On failure the group may be left without the program: no
// container may run.
Status GuardDevices(const std::filesystem::path& cgroup);

}  // namespace locket::guest_agent
