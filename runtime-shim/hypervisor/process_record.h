// Which processes belong to a pod's VM or shim, written into its state directory so that a later
// process can end them after a crash. A process ID alone is not enough: one day it is the ID of
// somebody else's process.
//
// Who writes what, in this order:
//
//   * PodCgroup::Make records the pod's cgroup directories before it makes them;
//   * the hypervisor writes its own process ID into `kPidFile`, as its first act;
//   * Hypervisor::Launch calls WriteProcessRecord as soon as it knows a process, and again when it
//     knows all.
//
// So at every moment at least one of the three names each process that runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

// The file in the state directory that a hypervisor is told to write its process ID to.
inline constexpr std::string_view kPidFile = "qemu.pid";

// A process for good: no other process of this boot has both numbers.
struct ProcessId {
  pid_t pid;
  uint64_t start_time;  // clock ticks after boot (proc(5), stat field 22)
  bool operator==(const ProcessId&) const = default;
};

// Returns the identity of the process that has this ID now. kNotFound: there is no such process.
Result<ProcessId> IdentifyProcess(pid_t pid);

// Returns the process ID in `dir`/kPidFile; nothing if the file is absent or holds something else.
std::optional<pid_t> ReadPidFile(const std::filesystem::path& dir);

// Replaces the record, `dir`/processes: one "pid start-time" on each line. On failure the old one
// stays.
Status WriteProcessRecord(const std::filesystem::path& dir,
                          const std::vector<ProcessId>& processes);
// Returns what is recorded. An absent file is an empty list; a torn or foreign line is skipped.
std::vector<ProcessId> ReadProcessRecord(const std::filesystem::path& dir);

// Ends every process that belongs to `dir` and is still alive: what is recorded there, the process
// in kPidFile if its command line names `dir`, and what is in the recorded cgroups. Sends SIGTERM,
// waits up to `grace`, then sends SIGKILL and waits up to 2 s. Returns the number of processes that
// were alive at the start.
int KillRecorded(const std::filesystem::path& dir, std::chrono::milliseconds grace);

// KillRecorded, then removes the recorded cgroups and `dir` with all it holds. Succeeds when there
// is nothing. On failure the call can be repeated: what could not be removed is still recorded.
Status RemoveSandboxState(const std::filesystem::path& dir, std::chrono::milliseconds grace);

}  // namespace locket::runtime_shim
