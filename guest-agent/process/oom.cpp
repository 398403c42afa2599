#include "guest-agent/process/oom.h"

#include <charconv>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxEventsBytes = 4096;
// Kernel documentation, admin-guide/cgroup-v2.rst, "memory.events": one "name count" a line.
constexpr std::string_view kLine = "oom_kill ";

}  // namespace

Result<uint64_t> CountOomKills(std::string_view memory_events) {
  while (!memory_events.empty()) {
    const auto end = memory_events.find('\n');
    std::string_view line = memory_events.substr(0, end);
    memory_events.remove_prefix(end == std::string_view::npos ? memory_events.size() : end + 1);
    if (!line.starts_with(kLine)) continue;
    line.remove_prefix(kLine.size());
    uint64_t count = 0;
    const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), count);
    if (error == std::errc() && stop == line.data() + line.size()) return count;
  }
  return Error(ErrorCode::kInvalidArgument, "memory.events counts no oom_kill");
}

Result<uint64_t> ReadOomKills(const std::filesystem::path& cgroup) {
  LOCKET_TRY_ASSIGN(const auto text, ReadFile(cgroup / "memory.events", kMaxEventsBytes));
  return CountOomKills(text);
}

}  // namespace locket::guest_agent
