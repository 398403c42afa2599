// Bounds how many downloads run at the same time, in all and from one registry, so that many images
// that are pulled at once neither overrun the disk nor one registry.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include "base/result.h"

namespace locket::registry {

// Both at least 1.
struct DownloadLimits {
  size_t total;     // of all registries
  size_t per_host;  // of each registry
};

// Thread-safe. A download takes a Slot before it opens a connection and drops it when it has ended.
class DownloadSlots {
 public:
  explicit DownloadSlots(const DownloadLimits& limits) : limits_(limits) {}
  DownloadSlots(const DownloadSlots&) = delete;

  // The right to download, until it goes out of scope. The slots outlive it.
  class Slot {
   public:
    Slot(Slot&& other) noexcept
        : slots_(std::exchange(other.slots_, nullptr)), host_(std::move(other.host_)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (slots_ != nullptr) slots_->Release(host_);
    }

   private:
    friend DownloadSlots;
    Slot(DownloadSlots& slots, std::string host) : slots_(&slots), host_(std::move(host)) {}

    DownloadSlots* slots_;
    std::string host_;
  };

  // Waits for a free slot and returns it. Slots are given in the order of the calls, except that a
  // call for a registry at its own limit does not hold up calls for others. kCancelled: `stop` was
  // asked for before its turn came.
  Result<Slot> Take(const std::string& host, const std::stop_token& stop);

  // Returns how many calls of Take wait now, for metrics.
  size_t num_waiting();

 private:
  struct Waiter {
    std::string host;
    bool granted = false;
  };
  void Release(const std::string& host);
  void Grant();  // with mutex_ held

  const DownloadLimits limits_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Waiter> waiters_;
  size_t running_ = 0;
  std::map<std::string, size_t> running_of_;
};

}  // namespace locket::registry
