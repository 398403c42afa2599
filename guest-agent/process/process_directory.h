// Where a process is that crun has made and that has not run a program of the image yet.
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace locket::guest_agent {

// Checks that the working directory of process `pid` lies on a mount that the process sees below
// its own root directory, and not on a proc file system. A process can be elsewhere if its runtime
// has followed a link to /proc/self/fd/N while descriptor N was a directory of the outside
// (CVE-2024-21626). crun checks this itself from 1.14.1 on; Debian 12 has 1.8.1. The process must
// not change its directory meanwhile. kFailedPrecondition: it lies elsewhere; end the process.
// kNotFound: there is no such process.
Status CheckProcessDirectory(pid_t pid);

}  // namespace locket::guest_agent
