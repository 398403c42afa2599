#include "guest-agent/clock_follower.h"

#include <fcntl.h>
#include <linux/rtc.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/file.h"
#include "base/log.h"

namespace locket::guest_agent {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kTolerance = seconds(2);
// What adjtime(3) takes at most is some 2145 s.
constexpr nanoseconds kMostSlewed = seconds(2000);

Result<seconds> ReadRealTimeClock() {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile("/dev/rtc0", O_RDONLY));
  rtc_time read{};
  if (::ioctl(file.get(), RTC_RD_TIME, &read) != 0) {
    return Error::FromErrno(errno, "read the real-time clock");
  }
  std::tm utc{};
  utc.tm_sec = read.tm_sec;
  utc.tm_min = read.tm_min;
  utc.tm_hour = read.tm_hour;
  utc.tm_mday = read.tm_mday;
  utc.tm_mon = read.tm_mon;
  utc.tm_year = read.tm_year;
  return seconds(::timegm(&utc));
}

Status SetClock(nanoseconds to) {
  const auto whole = std::chrono::floor<seconds>(to);
  const timespec time{.tv_sec = whole.count(), .tv_nsec = (to - whole).count()};
  if (::clock_settime(CLOCK_REALTIME, &time) == 0) return Ok();
  return Error::FromErrno(errno, "set the clock");
}

Status SlewClock(nanoseconds by) {
  const auto whole = std::chrono::floor<seconds>(by);
  const timeval delta{
      .tv_sec = whole.count(),
      .tv_usec = std::chrono::duration_cast<std::chrono::microseconds>(by - whole).count()};
  if (::adjtime(&delta, nullptr) == 0) return Ok();
  return Error::FromErrno(errno, "slew the clock");
}

}  // namespace

Clocks KernelClocks() {
  return {.host = ReadRealTimeClock,
          .guest = [] { return nanoseconds(std::chrono::system_clock::now().time_since_epoch()); },
          .set = SetClock,
          .slew = SlewClock};
}

Status FollowClock(const Clocks& clocks) {
  LOCKET_TRY_ASSIGN(const seconds cut, clocks.host());
  const nanoseconds host = cut + std::chrono::milliseconds(500);
  const nanoseconds behind = host - clocks.guest();
  if (behind > kTolerance) {
    log::Info("the clock was behind the host's and is set forward",
              {log::Field("seconds", std::chrono::round<seconds>(behind).count())});
    return clocks.set(host);
  }
  if (behind < -kTolerance) return clocks.slew(std::max(behind, -kMostSlewed));
  return Ok();
}

ClockFollower::ClockFollower(Clocks clocks, std::chrono::milliseconds interval)
    : clocks_(std::move(clocks)), interval_(interval) {
  thread_ = std::thread([this] { Run(); });
}

ClockFollower::~ClockFollower() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  thread_.join();
}

void ClockFollower::Run() {
  std::unique_lock lock(mutex_);
  bool told = false;
  while (!stop_) {
    lock.unlock();
    const Status followed = FollowClock(clocks_);
    if (!followed.ok()) {
      const bool has_none = followed.error().code() == ErrorCode::kNotFound;
      if (!told || has_none) {
        log::Warning(has_none ? "there is no real-time clock: the clock goes on by itself"
                              : "the clock does not follow the host's: trying again",
                     {log::Field(followed.error())});
      }
      if (has_none) return;
      told = true;
    }
    lock.lock();
    stopping_.wait_for(lock, interval_, [this] { return stop_; });
  }
}

}  // namespace locket::guest_agent
