// Names the host gives, before they become paths and arguments.
#pragma once

#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// 1 to 100 of [A-Za-z0-9_.-], not led by a dot: fit for a path and for crun.
Status CheckContainerId(std::string_view id);
// Fit for sethostname(2): empty, or 1 to 63 of [A-Za-z0-9.-].
Status CheckHostname(std::string_view hostname);

}  // namespace locket::guest_agent
