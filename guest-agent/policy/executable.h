// Says in words why a program of an image cannot be run. execve(2) would give a bare error number.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/policy/root_directory.h"

namespace locket::guest_agent {

// Checks that the kernel would run the program of `process` as it is in the image. Looks it up in
// PATH as execvp(3) does: a file that nobody may execute is passed over if a later directory has a
// program. Succeeds for a program that is not found, and for one below a directory of `volumes`,
// where the image's files are hidden: the runtime reports those. kFailedPrecondition: the program
// is not executable, is for another processor, is neither ELF nor a script, or lacks its loader or
// interpreter; the message says which.
Status CheckExecutable(const RootDirectory& root, const ImageProcess& process,
                       const std::vector<VolumeMount>& volumes);

// Checks the working directory of a process, as the image and `volumes` are now; each volume has
// its directory. Steps that do not exist are taken as they are written: crun makes them for a
// container, inside its root directory, and fails an exec. kInvalidArgument: the directory leads
// into /proc, where a link may lead out of the container (CVE-2024-21626; crun before 1.14.1 does
// not check).
//
// Containers can change links after this check. Where the first process of a container really is
// gets checked before it starts (process/process_directory.h). For an exec this check is the last.
Status CheckWorkingDirectory(const RootDirectory& root, const std::string& directory,
                             const std::vector<VolumeMount>& volumes);

}  // namespace locket::guest_agent
