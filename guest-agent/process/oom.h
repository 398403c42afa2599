// What the kernel reports about memory limits: memory.events of cgroup v2.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// Returns how many processes of the group the kernel has killed because memory ran out, below the
// group's limit or in the whole guest. `memory_events`: the file's text. kInvalidArgument: it has
// no such line.
Result<uint64_t> CountOomKills(std::string_view memory_events);

// Returns the same of the control group in directory `cgroup`.
Result<uint64_t> ReadOomKills(const std::filesystem::path& cgroup);

}  // namespace locket::guest_agent
