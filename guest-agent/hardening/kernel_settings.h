// Parameters in /proc/sys that the guest's kernel gets before it handles anything from the host.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// Sets a kernel parameter, for example "kernel/sysrq" to "0". kNotFound: the kernel has no such
// parameter.
using SetParameter = std::function<Status(const std::string& name, std::string_view value)>;

// The SetParameter of this machine: writes to /proc/sys.
Status SetKernelParameter(const std::string& name, std::string_view value);

// Closes what the host could use against this kernel from outside (a BREAK on the serial line
// counts as SysRq) and what containers could use from inside, and sets the defaults that container
// engines set. On failure some parameters may be set already, and the guest must not go on.
Status FixKernelSettings(const SetParameter& set);

}  // namespace locket::guest_agent
