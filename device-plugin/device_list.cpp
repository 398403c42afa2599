#include "device-plugin/device_list.h"

#include <algorithm>
#include <charconv>

namespace locket::device_plugin {

std::string DeviceList::Id(uint64_t index) const {
  return std::string(Name(tee_)).append("-").append(std::to_string(index));
}

bool DeviceList::SetCount(uint64_t count) {
  const std::lock_guard lock(mutex_);
  if (count == healthy_) return false;
  healthy_ = count;
  shown_ = std::max(shown_, count);
  ++version_;
  changed_.notify_all();
  return true;
}

uint64_t DeviceList::healthy() const {
  const std::lock_guard lock(mutex_);
  return healthy_;
}

uint64_t DeviceList::shown() const {
  const std::lock_guard lock(mutex_);
  return shown_;
}

std::optional<DeviceList::Version> DeviceList::Next(uint64_t seen,
                                                    std::chrono::milliseconds patience,
                                                    const std::atomic<bool>& stop) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return stop || version_ != seen; });
  if (stop || version_ == seen) return std::nullopt;
  Version version{.number = version_};
  version.devices.reserve(shown_);
  for (uint64_t i = 0; i < shown_; ++i) {
    version.devices.push_back({.id = Id(i), .healthy = i < healthy_});
  }
  return version;
}

void DeviceList::Wake() const {
  const std::lock_guard lock(mutex_);  // nobody is between a look at `stop` and the wait
  changed_.notify_all();
}

Status DeviceList::Check(std::string_view id) const {
  const std::string quoted = "device '" + std::string(id) + "'";
  uint64_t index = 0;
  const size_t digits = Name(tee_).size() + 1;
  if (id.size() > digits) std::from_chars(id.data() + digits, id.data() + id.size(), index);
  const std::lock_guard lock(mutex_);
  if (index >= shown_ || id != Id(index)) {
    return Error(ErrorCode::kInvalidArgument, quoted + " was never announced");
  }
  if (index >= healthy_) {
    return Error(ErrorCode::kFailedPrecondition,
                 quoted + " is there no more: see 'locket-device-plugin --list'");
  }
  return Ok();
}

}  // namespace locket::device_plugin
