// What the processes of a cgroup use, as the kernel counts it in the cgroup's files.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace locket::runtime_shim {

inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// The cpu_* fields, page faults and OOM kills add up since the cgroup was made; the others are of
// now. Times in nanoseconds. A value that the host does not count is 0, or no limit.
struct CgroupUsage {
  uint64_t cpu_ns = 0;
  uint64_t cpu_user_ns = 0;
  uint64_t cpu_system_ns = 0;
  uint64_t memory_bytes = 0;
  uint64_t memory_peak_bytes = 0;
  uint64_t memory_limit_bytes = kNoLimit;
  uint64_t anon_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t inactive_file_bytes = 0;
  uint64_t page_faults = 0;
  uint64_t major_page_faults = 0;
  uint64_t oom_kills = 0;
  uint64_t pids = 0;
  uint64_t pids_limit = kNoLimit;
  bool operator==(const CgroupUsage&) const = default;
};

// Returns the number in a file that holds one number only: kNoLimit for "max", 0 for anything else.
uint64_t CgroupNumber(std::string_view text);

// Returns the number after `key` in a file of lines "key number"; 0 if there is no such line.
uint64_t CgroupKey(std::string_view text, std::string_view key);

}  // namespace locket::runtime_shim
