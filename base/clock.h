// The seam at the clock, so that tests decide what time it is. Programs pass a SystemClock down
// from main; tests pass a FakeClock and move it.
#pragma once

#include <chrono>

namespace locket {

// Two clocks, as one process needs both. An implementation is thread-safe unless it says otherwise.
class Clock {
 public:
  virtual ~Clock() = default;
  // Returns the calendar time: for certificates, tokens and logs. It may jump, also backwards.
  virtual std::chrono::system_clock::time_point Now() const = 0;
  // Returns a time that never goes back: for timeouts and durations. It has no date.
  virtual std::chrono::steady_clock::time_point Steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::chrono::system_clock::time_point Now() const override {
    return std::chrono::system_clock::now();
  }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::now();
  }
};

// A clock that stays where it is until a test moves it. Both of its times move together. It begins
// at the epoch. Not thread-safe.
class FakeClock final : public Clock {
 public:
  std::chrono::system_clock::time_point Now() const override { return now_; }
  std::chrono::steady_clock::time_point Steady() const override {
    return std::chrono::steady_clock::time_point(now_.time_since_epoch());
  }
  // May go backwards, as a calendar does.
  void Set(std::chrono::system_clock::time_point now) { now_ = now; }
  void Advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  std::chrono::system_clock::time_point now_{};
};

}  // namespace locket
