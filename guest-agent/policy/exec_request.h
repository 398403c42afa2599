// What becomes of a process that the host wants to add to a running container.
#pragma once

#include <string>

#include "guest-agent/policy/guest_config.h"

namespace locket::guest_agent {

// Returns the process to run: the container's own one with the arguments of `host`, if the policy
// lists exactly these arguments in allow_exec. User, working directory and rlimits stay the
// container's. The host's variables are added where allow_env lets them. Capabilities and new
// privileges can only be taken away. `policy`: PolicyForImage of the container's image.
// kPermissionDenied: the command is not listed; the message says what to put into initdata.
// kInvalidArgument: the host gives no command.
Result<GuestConfig> ApplyExecPolicy(const GuestConfig& container, const HostRequest& host,
                                    const initdata::GuestPolicy& policy);

}  // namespace locket::guest_agent
