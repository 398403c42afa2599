// containerd's own garbage collection of snapshots.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"

namespace locket::cli {

// Makes containerd compare the snapshots of plugin `locket` with its metadata, and remove those it
// does not know. It looks only at snapshotters something was removed from since the last time, so
// this makes a snapshot and removes it. Errors are containerd's. Nothing of it is left behind, but
// after a timeout.
Status CollectGarbage(const std::string& containerd_socket, std::chrono::milliseconds timeout);

}  // namespace locket::cli
