#include "device/block_devices.h"

#include <algorithm>

namespace locket::device {
namespace {

// A change between Find and AwaitChange goes unseen; this bounds what that costs.
constexpr auto kLongestAwait = std::chrono::milliseconds(100);

}  // namespace

Result<BlockDevice> AwaitDevice(BlockDevices& devices, const Clock& clock, std::string_view serial,
                                std::chrono::milliseconds timeout) {
  const auto begin = clock.Steady();
  auto overdue = begin + kOverdue;
  for (;;) {
    LOCKET_TRY_ASSIGN(auto found, devices.Find(serial));
    if (found) return std::move(*found);
    const auto now = clock.Steady();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(begin + timeout - now);
    if (left.count() <= 0) {
      return Error(ErrorCode::kDeadlineExceeded,
                   "no disk with serial '" + std::string(serial) + "' came up in " +
                       std::to_string(timeout.count()) + " ms; the host did not attach it");
    }
    if (now >= overdue) {
      devices.LookAgain();
      overdue = clock.Steady() + kOverdue;
    } else {
      devices.AwaitChange(std::min(left, kLongestAwait));
    }
  }
}

}  // namespace locket::device
