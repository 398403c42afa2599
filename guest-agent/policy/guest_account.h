// What the files of an image say of the user that its process runs as.
#pragma once

#include "base/result.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/policy/root_directory.h"

namespace locket::guest_agent {

// Fills in groups and home from /etc/passwd and /etc/group under `root`; either may be absent.
// kResourceExhausted: one is larger than 1 MiB, or names more groups than the kernel takes. On
// failure `process` is as it was.
Status AddAccount(const RootDirectory& root, ImageProcess& process);

}  // namespace locket::guest_agent
