// What the host asks for in a container's OCI runtime spec, as far as the agent looks at it. All of
// it is untrusted input: nothing here takes effect before guest_config.h has applied the tenant's
// policy to it.
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

// A resource limit (setrlimit(2)).
struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t soft;
  uint64_t hard;

  bool operator==(const Rlimit&) const = default;
};

// A mount that the host asks for. Its source is a path of the host, which the guest never opens.
struct HostMount {
  std::string destination;
  std::string source{};
  std::vector<std::string> options{};

  bool operator==(const HostMount&) const = default;
};

// Fields of the OCI spec, under the spec's names. An absent value of the spec is empty, false or
// none.
struct HostRequest {
  std::vector<std::string> args{};
  std::vector<std::string> env{};  // "NAME=value"
  std::optional<uint64_t> uid{};
  std::vector<uint64_t> groups{};           // supplementary ones
  std::vector<std::string> capabilities{};  // the bounding set
  std::vector<Rlimit> rlimits{};
  std::vector<HostMount> mounts{};
  std::vector<std::string> sysctls{};  // names
  std::string hostname{};
  bool terminal = false;
  bool no_new_privileges = false;
  bool read_only_root = false;
  bool joins_processes = false;  // the container shares the PID namespace of the pod or of the host
  std::optional<int64_t> memory_limit{};
  std::optional<uint64_t> cpu_shares{};
  std::optional<int64_t> cpu_quota{};
  std::optional<uint64_t> cpu_period{};
  std::optional<int64_t> pids_limit{};

  bool operator==(const HostRequest&) const = default;
};

// Returns the request in `json`, a whole config.json. kInvalidArgument: longer than
// kMaxHostRequestBytes, a list longer than kMaxHostListEntries, or a field that is not what
// runtime-spec 1.0 says; the message names the field. Fields that are not listed above are ignored.
Result<HostRequest> DecodeHostRequest(std::string_view json);

// Returns the request in "process" of an OCI spec alone, as a host sends it for an exec. Only the
// fields that are inside "process" are set. Errors as DecodeHostRequest.
Result<HostRequest> DecodeHostProcess(std::string_view json);

}  // namespace locket::guest_agent
