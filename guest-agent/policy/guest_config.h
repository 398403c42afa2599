// The OCI spec that crun gets: made from the image's own config; the host's wishes count only where
// the tenant's policy lets them, or where they take something away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "guest-agent/policy/host_request.h"
#include "guest-agent/policy/volumes.h"
#include "initdata/initdata.h"

namespace locket::guest_agent {

// The files that a process of a container may have open, soft and hard limit: 1048576, the kernel's
// fs.nr_open, which is also what container engines give.
inline constexpr uint64_t kOpenFiles = 1U << 20;

// From the authenticated image config.
struct ImageProcess {
  std::vector<std::string> argv;  // ENTRYPOINT followed by CMD
  std::vector<std::string> env;
  std::string working_directory;  // empty: "/"
  uint32_t uid;
  uint32_t gid;
  std::vector<uint32_t> groups{};  // of the image's /etc/group
  std::string home{};              // of its /etc/passwd; empty: "/"

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
  bool allow_all_syscalls = false;           // no seccomp profile?
  std::map<image::Digest, initdata::ImageRules> images{};  // more for some, by manifest digest
};

// What holds for containers of the image with this manifest.
SpecPolicy PolicyForImage(SpecPolicy policy, const image::Digest& manifest);

// Paths in the guest, chosen by the agent.
struct ContainerPaths {
  std::string container_id;
  std::filesystem::path rootfs;
  std::filesystem::path etc;  // holds hosts, hostname and resolv.conf
};

struct GuestConfig {
  ImageProcess process;  // argv and env as they will be
  std::vector<std::string> capabilities;
  std::vector<Rlimit> rlimits;
  std::string hostname;
  bool no_new_privileges;
  bool read_only_root;
  bool terminal = false;
  bool all_syscalls = false;
  HostRequest limits;                  // only its resource limits count
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

// Adds to the process what the policy allows of the host's variables; the rest is `dropped`, but
// the host name as engines pass it, which the guest sets itself.
void MergeEnvironment(const HostRequest& host, const SpecPolicy& policy, GuestConfig& config);

// What engines set where neither image nor host does: PATH and HOME, TERM with a terminal.
void AddDefaultVariables(GuestConfig& config);
// HOSTNAME likewise, once the host name is known.
void AddHostname(GuestConfig& config);

// The limits that a container starts with where nobody asks for other ones, each name once: of open
// files and processes what engines give, of all else the agent's own.
std::vector<Rlimit> GuestLimits();

// The host's limits count where they are lower than `limits`, the guest's own.
// kPermissionDenied: the command is neither the image's own nor allowed; the message shows both and
// says what to put into initdata. kInvalidArgument: the image gives no command.
Result<GuestConfig> ApplyPolicy(const ImageProcess& image, const HostRequest& host,
                                const SpecPolicy& policy,
                                const std::vector<Rlimit>& limits = GuestLimits());

// "process" of config.json, which crun takes by itself for an exec.
std::string EncodeGuestProcess(const GuestConfig& config);
// config.json for crun.
std::string EncodeGuestConfig(const GuestConfig& config, const ContainerPaths& paths);

}  // namespace locket::guest_agent
