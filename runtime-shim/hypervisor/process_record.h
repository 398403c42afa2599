// Which processes belong to a sandbox, written down so that whoever comes after a crash can end
// them: a number alone would one day name somebody else's process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

struct ProcessId {
  pid_t pid;
  uint64_t start_time;  // clock ticks after boot (proc(5), stat field 22)
  bool operator==(const ProcessId&) const = default;
};

// kNotFound: there is no such process.
Result<ProcessId> IdentifyProcess(pid_t pid);

// `dir`/processes: one "pid start-time" a line. An absent file is an empty list; a torn or foreign
// line is skipped.
Status WriteProcessRecord(const std::filesystem::path& dir,
                          const std::vector<ProcessId>& processes);
std::vector<ProcessId> ReadProcessRecord(const std::filesystem::path& dir);

// Ends what `dir` records and is still alive, the process in `dir`/qemu.pid if its command line
// names `dir`, and whatever is in the cgroups recorded there. SIGTERM, `grace`, then SIGKILL. The
// number of processes that were still alive.
int KillRecorded(const std::filesystem::path& dir, std::chrono::milliseconds grace);

// KillRecorded, then removes the recorded cgroups and `dir` with all it holds. Succeeds when there
// is nothing.
Status RemoveSandboxState(const std::filesystem::path& dir, std::chrono::milliseconds grace);

}  // namespace locket::runtime_shim
