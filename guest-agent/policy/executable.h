// Says in words why a program of an image cannot be run, which execve(2) says in one number.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/policy/root_directory.h"

namespace locket::guest_agent {

// kFailedPrecondition: the kernel would not run the process's program as it is in the image: not
// executable, for another processor, neither ELF nor a script, or without its loader or
// interpreter; the message says which. A program that is not found is left to the runtime to
// report. So is what lies below `volumes`, where the image's files do not count. In PATH, a file
// that nobody may execute is passed over if a later directory has a program.
Status CheckExecutable(const RootDirectory& root, const ImageProcess& process,
                       const std::vector<VolumeMount>& volumes);

// kInvalidArgument: the working directory leads into /proc, where a link may lead out of the
// container (CVE-2024-21626; crun 1.8 does not look), or it leads through something below one of
// `volumes`, where another container can put such a link. A volume itself may be the directory.
// The container's own processes can still change its directories after this check.
Status CheckWorkingDirectory(const RootDirectory& root, const std::string& directory,
                             const std::vector<VolumeMount>& volumes);

}  // namespace locket::guest_agent
