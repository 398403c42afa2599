// What becomes of the process that the host wants to run in a container besides its first one.
#pragma once

#include <string>

#include "guest-agent/policy/guest_config.h"

namespace locket::guest_agent {

// The container's own process with the arguments of `host`, if the policy lists exactly these.
// User, directory and rlimits are the container's; variables are added as allow_env lets them, and
// capabilities and new privileges are only taken away. kPermissionDenied says what to put into
// initdata. kInvalidArgument: the host gives no command.
Result<GuestConfig> ApplyExecPolicy(const GuestConfig& container, const HostRequest& host,
                                    const SpecPolicy& policy);

}  // namespace locket::guest_agent
