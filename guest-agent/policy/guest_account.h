// What an image's /etc/passwd and /etc/group say about the user that its process runs as.
#pragma once

#include "base/result.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/policy/root_directory.h"

namespace locket::guest_agent {

// Fills in groups and home of process.uid from the two files under `root`. Either file may be
// absent. kResourceExhausted: a file is larger than 1 MiB, or names more groups than the kernel
// takes. On failure `process` is as it was.
Status AddAccount(const RootDirectory& root, ImageProcess& process);

}  // namespace locket::guest_agent
