// The OCI spec that crun gets: made from the image's own config; the host's wishes count only where
// the tenant's policy lets them, or where they take something away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "guest-agent/host_spec.h"
#include "guest-agent/volumes.h"

namespace locket::guest_agent {

// From the authenticated image config.
struct ImageProcess {
  std::vector<std::string> argv;  // ENTRYPOINT followed by CMD
  std::vector<std::string> env;
  std::string working_directory;  // empty: "/"
  uint32_t uid;
  uint32_t gid;

  bool operator==(const ImageProcess&) const = default;
};

// From the tenant's initdata.
struct SpecPolicy {
  std::vector<std::vector<std::string>> allow_commands{};
  std::vector<std::vector<std::string>> allow_exec{};  // in a container that runs
  std::vector<std::string> allow_env{};                // names; a final '*' stands for any rest
  bool allow_stdin = false;                  // may the host write to standard inputs and terminals?
  bool hide_output = false;                  // is the host to see nothing of what is printed?
  std::vector<std::string> allow_volumes{};  // where empty volumes may be mounted
};

// Paths in the guest, chosen by the agent.
struct SpecPaths {
  std::string container_id;
  std::filesystem::path rootfs;
  std::filesystem::path etc;  // holds hosts, hostname and resolv.conf
};

struct GuestSpec {
  ImageProcess process;  // argv and env as they will be
  std::vector<std::string> capabilities;
  std::vector<RlimitSpec> rlimits;
  std::string hostname;
  bool no_new_privileges;
  bool read_only_root;
  bool terminal = false;
  HostSpec limits;                     // only its resource limits count
  std::vector<VolumeMount> volumes{};  // whoever encodes this has filled in the directories
  // What the host asked for and does not get, for the log.
  std::vector<std::string> dropped{};
};

bool EnvNameAllowed(std::string_view name, const std::vector<std::string>& patterns);

// For messages.
std::string ShowCommand(const std::vector<std::string>& argv);

// kPermissionDenied unless the policy lets the host have such streams of a process; says what to
// put into initdata.
Status CheckStreams(const SpecPolicy& policy, bool with_stdin, bool terminal);

// Adds to the process what the policy allows of the host's variables; the rest is `dropped`.
void MergeEnvironment(const HostSpec& host, const SpecPolicy& policy, GuestSpec& spec);

// As terminals' users expect: TERM is set if there is one.
void NameTerminal(GuestSpec& spec);

// kPermissionDenied: the command is neither the image's own nor allowed; the message shows both and
// says what to put into initdata. kInvalidArgument: the image gives no command.
Result<GuestSpec> ApplyPolicy(const ImageProcess& image, const HostSpec& host,
                              const SpecPolicy& policy);

// "process" of config.json, which crun takes by itself for an exec.
std::string EncodeGuestProcess(const GuestSpec& spec);
// config.json for crun.
std::string EncodeGuestSpec(const GuestSpec& spec, const SpecPaths& paths);

}  // namespace locket::guest_agent
