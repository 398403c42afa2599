// Keeps the guest's clock near the host's. When a VM is stopped its clock stops too; later the
// guest would judge certificates and tokens by a wrong time. The host could lie about the time at
// boot already, so following its clock later gives it no new power (docs/decisions/0031).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/result.h"

namespace locket::guest_agent {

// The seam at the clocks of a machine. Times count from 1970.
struct Clocks {
  // Returns the host's time, cut to the second: the real-time clock. kNotFound: there is none.
  std::function<Result<std::chrono::seconds>()> host;
  std::function<std::chrono::nanoseconds()> guest;      // returns the guest's time
  std::function<Status(std::chrono::nanoseconds)> set;  // sets the guest's clock to a time
  // Makes the guest's clock go slower or faster until it has changed by a span.
  std::function<Status(std::chrono::nanoseconds)> slew;
};

// Returns those of this machine: /dev/rtc0 and CLOCK_REALTIME.
Clocks KernelClocks();

// Compares the clocks once. A guest's clock that is more than two seconds behind is set to the
// host's time. One that is more than two seconds ahead is slowed down, by half a millisecond in
// each second, and never set back. A smaller difference is left alone, as the host's clock has
// whole seconds only.
Status FollowClock(const Clocks& clocks);

// Calls FollowClock every `interval`, on a thread of its own, until it is destroyed. A failure ends
// one comparison only; the first failure is logged. Without a real-time clock (kNotFound) it stops.
class ClockFollower {
 public:
  explicit ClockFollower(Clocks clocks,
                         std::chrono::milliseconds interval = std::chrono::seconds(5));
  ClockFollower(const ClockFollower&) = delete;
  ClockFollower& operator=(const ClockFollower&) = delete;
  ~ClockFollower();

 private:
  void Run();

  const Clocks clocks_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;  // under mutex_
  std::thread thread_;
};

}  // namespace locket::guest_agent
