// What the guest's kernel is told before it meets anything of the host's: parameters in /proc/sys.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// Sets a kernel parameter: ("kernel/sysrq", "0"). kNotFound: the kernel has no such parameter.
using SetParameter = std::function<Status(const std::string& name, std::string_view value)>;

// The same for this machine, in /proc/sys.
Status SetKernelParameter(const std::string& name, std::string_view value);

// Closes what a host could use against this kernel from outside (a BREAK on the serial line is
// SysRq) and containers from inside, and gives containers the defaults that engines give them.
// On failure some parameters may be set already: the guest must not go on.
Status FixKernelSettings(const SetParameter& set);

}  // namespace locket::guest_agent
