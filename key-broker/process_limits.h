// How many files and threads the process may have, so that a configuration that needs more is
// refused at the start and not found out under load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "key-broker/config.h"

namespace locket::key_broker {

// Beyond what connections and worker threads take.
inline constexpr uint64_t kReservedFiles = 256;  // store (at most 128), audit log, standard streams
inline constexpr uint64_t kReservedTasks = 32;   // the store's threads, timer, main thread

struct ProcessLimits {
  uint64_t files;                   // open files
  std::optional<uint64_t> tasks{};  // processes and threads; none: no limit is known
};

// Raises the soft limit of open files to the hard one. Returns the limits that hold then.
Result<ProcessLimits> RaiseProcessLimits();

// Returns the least `pids.max` of a cgroup (version 2) and of those above it, none if there is no
// limit. `own` is the text of /proc/self/cgroup; cgroups are directories below `root`.
std::optional<uint64_t> TasksLimit(std::string_view own, const std::filesystem::path& root);

// kFailedPrecondition: `config` needs more than `limits` has. The error names the key of `config`
// and the setting of the unit, one of which has to change.
Status CheckFits(const Config& config, const ProcessLimits& limits);

}  // namespace locket::key_broker
