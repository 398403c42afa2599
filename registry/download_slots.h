// How many downloads run at a time: on this machine, and from one registry.
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

struct DownloadLimits {
  size_t total;
  size_t per_host;
};

// Thread-safe.
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

  // Waits for its turn: first come, first served, but those who want a registry that is at its
  // limit hold up nobody else. kCancelled: `stop` was asked for first.
  Result<Slot> Take(const std::string& host, const std::stop_token& stop);

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
