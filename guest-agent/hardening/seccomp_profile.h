// The system calls that a container may make: those that container engines allow by default, less
// the sockets that lead to the host.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace locket::guest_agent {

// Returns the profile, "linux.seccomp" of an OCI spec, for a container that has no capability
// beyond the default ones. Calls that need more than those (mounts, namespaces, modules, keyrings,
// BPF, io_uring) fail with EPERM. A call that the profile does not name fails with ENOSYS, so that
// a C library falls back to an older call. So do sockets of families from AF_VSOCK on, which lead
// to the host.
nlohmann::json SeccompProfile();

}  // namespace locket::guest_agent
