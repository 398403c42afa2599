#include "snapshotter/store/failpoint.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>

namespace locket::snapshotter {
namespace internal {

const std::string* armed_failpoint = nullptr;

namespace {
std::atomic<int> passes_left = 1;
}  // namespace

void PassArmedFailpoint(std::string_view name) {
  if (name == *armed_failpoint && --passes_left == 0) std::raise(SIGKILL);
}

}  // namespace internal

Status ArmFailpoint(std::string_view spec) {
  const size_t colon = std::min(spec.find(':'), spec.size());
  static std::string name;
  name = spec.substr(0, colon);
  if (!std::ranges::count(kFailpoints, name)) {
    return Error(ErrorCode::kInvalidArgument, "no failpoint is called '" + name + "'");
  }
  int passes = 1;
  if (colon < spec.size()) {
    const auto [end, failed] =
        std::from_chars(spec.data() + colon + 1, spec.data() + spec.size(), passes);
    if (failed != std::errc() || end != spec.data() + spec.size() || passes < 1) {
      return Error(ErrorCode::kInvalidArgument,
                   "failpoint '" + std::string(spec) + "': after the colon goes a number from 1");
    }
  }
  internal::passes_left = passes;
  internal::armed_failpoint = &name;
  return Ok();
}

}  // namespace locket::snapshotter
