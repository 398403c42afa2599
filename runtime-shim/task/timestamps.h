// Times in containerd's messages.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <chrono>

namespace locket::runtime_shim {

// Returns `at`, to the nanosecond.
inline google::protobuf::Timestamp ToTimestamp(std::chrono::system_clock::time_point at) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  google::protobuf::Timestamp out;
  out.set_seconds(whole.time_since_epoch().count());
  out.set_nanos(static_cast<int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at - whole).count()));
  return out;
}

}  // namespace locket::runtime_shim
