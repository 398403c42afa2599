// What the host asks for in a container's OCI runtime spec, as far as the agent looks at it. All of
// it is an adversary's input; guest_config.h says what becomes of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::guest_agent {

inline constexpr size_t kMaxHostRequestBytes = size_t{1} << 20;
inline constexpr size_t kMaxHostListEntries = 4096;

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t soft;
  uint64_t hard;

  bool operator==(const Rlimit&) const = default;
};

struct HostMount {
  std::string destination;
  std::string source{};
  std::vector<std::string> options{};

  bool operator==(const HostMount&) const = default;
};

struct HostRequest {
  std::vector<std::string> args{};
  std::vector<std::string> env{};  // "NAME=value"
  std::optional<uint64_t> uid{};
  std::vector<uint64_t> groups{};  // supplementary ones
  std::vector<std::string> capabilities{};
  std::vector<Rlimit> rlimits{};
  std::vector<HostMount> mounts{};
  std::vector<std::string> sysctls{};  // names
  std::string hostname{};
  bool terminal = false;
  bool no_new_privileges = false;
  bool read_only_root = false;
  bool joins_processes = false;  // the pod's, or the host's, instead of having its own
  std::optional<int64_t> memory_limit{};
  std::optional<uint64_t> cpu_shares{};
  std::optional<int64_t> cpu_quota{};
  std::optional<uint64_t> cpu_period{};
  std::optional<int64_t> pids_limit{};

  bool operator==(const HostRequest&) const = default;
};

// kInvalidArgument names the field that is not what runtime-spec 1.0 says, or the limit it breaks.
Result<HostRequest> DecodeHostRequest(std::string_view json);

// The same of "process" alone, as a host gives it for an exec: only what a process has is set.
Result<HostRequest> DecodeHostProcess(std::string_view json);

}  // namespace locket::guest_agent
