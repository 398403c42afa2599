// Keeps the guest's clock near the host's. A clock stays behind by as long as the VM stood still,
// and certificates and tokens are then judged by a wrong time. The host could lie about the time at
// boot already, so following it later gives it nothing new (docs/decisions/0031).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/result.h"

namespace locket::guest_agent {

// The clocks of one machine; times count from 1970.
struct Clocks {
  std::function<Result<std::chrono::seconds>()> host;  // the real-time clock, cut to the second
  std::function<std::chrono::nanoseconds()> guest;
  std::function<Status(std::chrono::nanoseconds)> set;   // jumps there
  std::function<Status(std::chrono::nanoseconds)> slew;  // goes slower or faster until made up for
};

// This machine's: /dev/rtc0 and CLOCK_REALTIME.
Clocks KernelClocks();

// One comparison. A clock that is more than two seconds behind is set to the host's time. One that
// is ahead by as much is never set back but slowed down, by half a millisecond a second. Anything
// less is left alone, as the host's clock has whole seconds only.
Status FollowClock(const Clocks& clocks);

// Compares every `interval` on a thread of its own, until destroyed. After a failure it tries again
// the next time; only the first failure is logged. Without a real-time clock (kNotFound) it gives
// up: the clock then goes on by itself.
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
