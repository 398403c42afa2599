// containerd's own garbage collection of snapshots.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace locket::cli {

// Makes containerd compare the snapshots of its plugin `locket` with its own metadata, and remove
// those that it does not know. containerd only looks at snapshotters from which something was
// removed since the last time, so this makes a snapshot and removes it. containerd does the work
// afterwards, on its own: success says that it was asked to. Errors have containerd's code. After a
// timeout the snapshot `locket-doctor-PID` may be left; containerd removes it later.
Status CollectGarbage(const std::string& containerd_socket, std::chrono::milliseconds timeout);

}  // namespace locket::cli
