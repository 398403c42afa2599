// The OCI config that crun gets. It is made from the image's own config. What the host asks for
// counts only where the tenant's policy allows it, or where it takes something away.
//
//   the image's config  -> ImageProcess  --+
//   the host's request  -> HostRequest   --+-- ApplyPolicy --> GuestConfig --> config.json
//   the tenant's policy -> GuestPolicy   --+
//
// Pure functions: nothing here looks at files.
#pragma once

#include <cstdint>
#include <filesystem>
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

// What an image says about its process, from the config whose digest the accepted manifest has.
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

// Returns `policy` as it holds for containers of the image with this manifest digest: its
// every_image has the rules for that image added, and no other rule of an image counts.
initdata::GuestPolicy PolicyForImage(initdata::GuestPolicy policy, const image::Digest& manifest);

// Paths of one container in the guest, chosen by the agent.
struct ContainerPaths {
  std::string container_id;
  std::filesystem::path rootfs;
  std::filesystem::path etc;  // holds hosts, hostname and resolv.conf
};

// A container as it will run.
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
  std::vector<VolumeMount> volumes{};  // without directories until Container fills them in
  // What the host asked for and does not get, in words, for the log.
  std::vector<std::string> dropped{};
};

// Returns whether a variable's name matches one of the patterns of allow_env: a name, or a prefix
// with '*' after it. A prefix never matches a variable that may load code
// (initdata::IsLoaderVariable).
bool EnvNameAllowed(std::string_view name, const std::vector<std::string>& patterns);

// Returns an argument vector as text, for messages.
std::string ShowCommand(const std::vector<std::string>& argv);

// Checks that the host may have such streams of a process. kPermissionDenied: the policy does not
// allow them; the message says what to put into initdata.
Status CheckStreams(const initdata::GuestPolicy& policy, bool with_stdin, bool terminal);

// Adds those of the host's variables to config.process.env that the policy allows, and names the
// others in config.dropped. HOSTNAME with the container's host name is not named, as the guest sets
// it itself.
void MergeEnvironment(const HostRequest& host, const initdata::GuestPolicy& policy,
                      GuestConfig& config);

// Adds the variables that container engines set if neither image nor host does: PATH and HOME, and
// TERM with a terminal.
void AddDefaultVariables(GuestConfig& config);
// Adds HOSTNAME if neither image nor host sets it. Call it once config.hostname is known.
void AddHostname(GuestConfig& config);

// Returns the limits of a container for which the host asks no other ones, each name once. For open
// files and processes they are those of container engines; all others are the agent's own.
std::vector<Rlimit> GuestLimits();

// Returns what the container will run as: the image's process, changed by what the host may change.
//
//   command             the host's, if it is the image's own or listed in allow_commands
//   variables           the image's, and the host's where allow_env lets them
//   user, groups        the image's
//   capabilities        the default ones, less those that the host leaves out
//   rlimits             the host's where they are lower than `limits`, the guest's own
//   volumes             those at destinations in allow_volumes
//   memory, CPU, pids   the host's limits
//
// What is left out is named in `dropped`. `policy`: PolicyForImage of the container's image.
// kPermissionDenied: the command is neither the image's own nor allowed; the message shows both and
// says what to put into initdata. kInvalidArgument: the host gives no command.
Result<GuestConfig> ApplyPolicy(const ImageProcess& image, const HostRequest& host,
                                const initdata::GuestPolicy& policy,
                                const std::vector<Rlimit>& limits = GuestLimits());

// Returns "process" of config.json alone, which crun takes for an exec.
std::string EncodeGuestProcess(const GuestConfig& config);
// Returns config.json for crun. The directories of config.volumes are filled in.
std::string EncodeGuestConfig(const GuestConfig& config, const ContainerPaths& paths);

}  // namespace locket::guest_agent
