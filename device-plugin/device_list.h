// The devices of one resource: what the kubelet is shown, and told of when it changes.
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
  std::string id;  // "snp-0": a number for each; the kernel's own choice of a key is another matter
  bool healthy;
  bool operator==(const Device&) const = default;
};

// Thread-safe.
class DeviceList {
 public:
  explicit DeviceList(Tee tee) : tee_(tee) {}

  // There are `count` from now on. One that was shown before and is no more stays in the list as
  // unhealthy: pods may have it. Whether the list changed.
  bool SetCount(uint64_t count);

  uint64_t healthy() const;
  uint64_t shown() const;  // healthy or not

  struct Version {
    uint64_t number = 0;
    std::vector<Device> devices{};
  };
  // The list, if it is another one than number `seen` (0: any is), waiting up to `patience` for
  // that. Nothing: it is not, or `stop` is set.
  std::optional<Version> Next(uint64_t seen, std::chrono::milliseconds patience,
                              const std::atomic<bool>& stop) const;
  // Whoever set a `stop` calls it afterwards.
  void Wake() const;

  // kInvalidArgument: never shown. kFailedPrecondition: unhealthy.
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
