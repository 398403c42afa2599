// The devices of one resource, as the kubelet is shown them. They are "snp-0" to "snp-N": a number
// for each guest that can run at a time. Which key a guest gets is the kernel's choice, and has
// nothing to do with the number that its pod was given.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device-plugin/tee_count.h"

namespace locket::device_plugin {

struct Device {
  std::string id;
  bool healthy;  // a pod may be given it
  bool operator==(const Device&) const = default;
};

// Thread-safe: one thread sets the count, and each of the kubelet's streams waits in Next.
class DeviceList {
 public:
  explicit DeviceList(Tee tee) : tee_(tee) {}

  // There are `count` from now on. A device that was shown before and is no more stays in the list
  // as unhealthy, because pods may have it. Returns whether the list changed.
  bool SetCount(uint64_t count);

  uint64_t healthy() const;
  uint64_t shown() const;  // healthy or not

  struct Version {
    uint64_t number = 0;
    std::vector<Device> devices{};
  };
  // Returns the list, once its number is another than `seen` (0: any is). Waits up to `patience`
  // for that. Nothing: it is still the same, or `stop` is set.
  std::optional<Version> Next(uint64_t seen, std::chrono::milliseconds patience,
                              const std::atomic<bool>& stop) const;
  // Makes all calls of Next look at their `stop`. To be called after one was set.
  void Wake() const;

  // Whether a pod may be given device `id`. kInvalidArgument: there never was such a device.
  // kFailedPrecondition: it is unhealthy.
  Status Check(std::string_view id) const;

 private:
  std::string Id(uint64_t index) const;

  const Tee tee_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  uint64_t version_ = 1;
  uint64_t healthy_ = 0;
  uint64_t shown_ = 0;
};

}  // namespace locket::device_plugin
