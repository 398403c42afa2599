#include "registry/download_slots.h"

#include <algorithm>

namespace locket::registry {

Result<DownloadSlots::Slot> DownloadSlots::Take(const std::string& host,
                                                const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto mine = waiters_.insert(waiters_.end(), {.host = host});
  Grant();
  const bool granted = changed_.wait(lock, stop, [&] { return mine->granted; });
  waiters_.erase(mine);
  if (!granted) return Error(ErrorCode::kCancelled, "cancelled while it waited for its turn");
  return Slot(*this, host);
}

size_t DownloadSlots::num_waiting() {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::ranges::count_if(waiters_, [](const Waiter& waiter) { return !waiter.granted; }));
}

void DownloadSlots::Release(const std::string& host) {
  const std::lock_guard lock(mutex_);
  --running_;
  const auto of_host = running_of_.find(host);
  if (--of_host->second == 0) running_of_.erase(of_host);
  Grant();
}

void DownloadSlots::Grant() {
  for (Waiter& waiter : waiters_) {
    if (running_ >= limits_.total) break;
    if (waiter.granted) continue;
    const auto of_host = running_of_.find(waiter.host);
    if (of_host != running_of_.end() && of_host->second >= limits_.per_host) continue;
    waiter.granted = true;
    ++running_;
    ++running_of_[waiter.host];
  }
  changed_.notify_all();
}

}  // namespace locket::registry
