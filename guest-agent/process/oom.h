// What the kernel says of memory limits: cgroup v2's memory.events.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace locket::guest_agent {

// How often a process of the group was killed for want of memory (its own limit's or the guest's).
// kInvalidArgument: `memory_events` has no such line.
Result<uint64_t> CountOomKills(std::string_view memory_events);

// Of the control group in directory `cgroup`.
Result<uint64_t> ReadOomKills(const std::filesystem::path& cgroup);

}  // namespace locket::guest_agent
