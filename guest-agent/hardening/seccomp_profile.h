// The system calls that a container may make: those that container engines allow by default.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace locket::guest_agent {

// "linux.seccomp" of an OCI spec, for a container that holds no capability beyond the default ones.
// What needs more than those (mounts, namespaces, modules, keyrings, BPF, io_uring) fails with
// EPERM. A call that the profile does not know fails with ENOSYS, so that a C library falls back to
// an older one; so do sockets of the families from AF_VSOCK on, which lead to the host.
nlohmann::json SeccompProfile();

}  // namespace locket::guest_agent
