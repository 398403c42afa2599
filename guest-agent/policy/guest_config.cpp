#include "guest-agent/policy/guest_config.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "guest-agent/hardening/seccomp_profile.h"

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;

// What container engines give a container by default; a host may only take away from it.
constexpr std::array<std::string_view, 14> kDefaultCapabilities = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
    "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",   "CAP_SETFCAP",
    "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};
constexpr std::array<std::pair<const char*, __rlimit_resource>, 16> kRlimits = {{
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
}};
constexpr std::array kMaskedPaths = {
    "/proc/acpi",       "/proc/asound",        "/proc/interrupts", "/proc/kcore",
    "/proc/keys",       "/proc/latency_stats", "/proc/scsi",       "/proc/sched_debug",
    "/proc/timer_list", "/proc/timer_stats",   "/sys/firmware",    "/sys/devices/virtual/powercap"};
constexpr std::array kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                       "/proc/sysrq-trigger"};
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// More open files than fs.nr_open the kernel refuses.
const std::array<Rlimit, 2> kEngineLimits = {
    {{.type = "RLIMIT_NOFILE", .soft = kOpenFiles, .hard = kOpenFiles},
     {.type = "RLIMIT_NPROC", .soft = RLIM_INFINITY, .hard = RLIM_INFINITY}}};

std::string_view NameOf(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

Status CheckCommand(const ImageProcess& image, const HostRequest& host,
                    const initdata::GuestPolicy& policy) {
  if (host.args.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the host gives no command to run");
  }
  if (host.args == image.argv) return Ok();
  const auto& allowed = policy.every_image.allow_commands;
  if (std::find(allowed.begin(), allowed.end(), host.args) != allowed.end()) return Ok();
  return Error(ErrorCode::kPermissionDenied,
               "command " + ShowCommand(host.args) + " is neither the image's own, " +
                   ShowCommand(image.argv) + ", nor listed in initdata's [agent] allow_commands");
}

void SetVariable(std::vector<std::string>& env, const std::string& variable) {
  const auto it = std::find_if(env.begin(), env.end(), [&](const std::string& one) {
    return NameOf(one) == NameOf(variable);
  });
  if (it == env.end()) {
    env.push_back(variable);
  } else {
    *it = variable;
  }
}

bool HasVariable(const GuestConfig& config, std::string_view name) {
  return std::ranges::any_of(config.process.env,
                             [&](const std::string& one) { return NameOf(one) == name; });
}

void AddVariable(GuestConfig& config, std::string_view name, std::string_view value) {
  if (HasVariable(config, name)) return;
  config.process.env.push_back(std::string(name) + "=" + std::string(value));
}

// The host's limits where they are lower than the guest's own; else what engines give.
void ChooseRlimits(const HostRequest& host, const std::vector<Rlimit>& own, GuestConfig& config) {
  for (Rlimit limit : host.rlimits) {
    const auto most = std::ranges::find(own, limit.type, &Rlimit::type);
    if (most == own.end() || limit.soft > limit.hard) {
      config.dropped.push_back("rlimit '" + limit.type + "'");
      continue;
    }
    if (limit.soft > most->soft || limit.hard > most->hard) {
      config.dropped.push_back("rlimit '" + limit.type + "' above the guest's own");
    }
    limit.hard = std::min(limit.hard, most->hard);
    limit.soft = std::min(limit.soft, most->soft);
    config.rlimits.push_back(std::move(limit));
  }
  for (const Rlimit& limit : kEngineLimits) {
    if (std::ranges::find(config.rlimits, limit.type, &Rlimit::type) == config.rlimits.end()) {
      config.rlimits.push_back(limit);
    }
  }
}

// Groups open files of the image, so they are the image's to give. 0 is containerd's, which finds
// no group where the files are sealed.
void NameOtherGroups(const HostRequest& host, GuestConfig& config) {
  std::string others;
  for (const uint64_t group : host.groups) {
    const auto& own = config.process.groups;
    if (group == 0 || group == config.process.gid || std::ranges::find(own, group) != own.end()) {
      continue;
    }
    others += (others.empty() ? "groups " : ", ") + std::to_string(group);
  }
  if (!others.empty()) config.dropped.push_back(others + " (the image's own are taken)");
}

// Takes those of the host's capabilities that any container may have. The others are named, because
// the host asked for them.
void ChooseCapabilities(const HostRequest& host, GuestConfig& config) {
  std::string more;
  for (const std::string& asked : host.capabilities) {
    if (std::find(kDefaultCapabilities.begin(), kDefaultCapabilities.end(), asked) ==
        kDefaultCapabilities.end()) {
      more += (more.empty() ? "capabilities '" : "', '") + asked;
    }
  }
  if (!more.empty()) config.dropped.push_back(more + "'");
  for (const std::string_view capability : kDefaultCapabilities) {
    const auto& asked = host.capabilities;
    if (std::find(asked.begin(), asked.end(), capability) != asked.end()) {
      config.capabilities.emplace_back(capability);
    }
  }
}

Json Mount(const std::string& destination, const std::string& type, const std::string& source,
           Json options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", std::move(options)}};
}

Json Mounts(const ContainerPaths& paths, const std::vector<VolumeMount>& volumes) {
  Json mounts = Json::array();
  mounts.push_back(Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(
      Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.push_back(Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  mounts.push_back(
      Mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    const std::string destination = std::string("/etc/") + name;
    mounts.push_back(
        Mount(destination, "bind", (paths.etc / name).string(), {"bind", "ro", "nosuid", "nodev"}));
  }
  // crun follows no link out of the root directory on its way to a destination.
  for (const VolumeMount& volume : volumes) {
    mounts.push_back(Mount(volume.destination, "bind", volume.directory.string(),
                           {"bind", volume.read_only ? "ro" : "rw", "nosuid", "nodev"}));
  }
  return mounts;
}

Json Resources(const HostRequest& limits) {
  Json resources = Json::object();
  // A container may make device nodes, as engines let it, but none that opens: the disks, the other
  // containers' opened layers and the ports to host and TEE are all devices of this kernel. crun
  // adds a list of its own to this, so that device_guard.h decides.
  resources["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  if (limits.memory_limit) resources["memory"]["limit"] = *limits.memory_limit;
  if (limits.cpu_shares) resources["cpu"]["shares"] = *limits.cpu_shares;
  if (limits.cpu_quota) resources["cpu"]["quota"] = *limits.cpu_quota;
  if (limits.cpu_period) resources["cpu"]["period"] = *limits.cpu_period;
  if (limits.pids_limit) resources["pids"]["limit"] = *limits.pids_limit;
  return resources;
}

Json Process(const GuestConfig& config) {
  // The group is among the supplementary ones too, as with every engine since 2022: else a file
  // that is closed to a group opens to a process that gives the group up.
  std::vector<uint32_t> groups = {config.process.gid};
  groups.insert(groups.end(), config.process.groups.begin(), config.process.groups.end());
  Json process = {{"terminal", config.terminal},
                  {"user",
                   {{"uid", config.process.uid},
                    {"gid", config.process.gid},
                    {"additionalGids", std::move(groups)}}},
                  {"args", config.process.argv},
                  {"env", config.process.env},
                  {"cwd", config.process.working_directory},
                  {"noNewPrivileges", config.no_new_privileges}};
  // As container engines do: a user other than root starts without effective capabilities.
  const Json held = config.process.uid == 0 ? Json(config.capabilities) : Json::array();
  process["capabilities"] = {
      {"bounding", config.capabilities}, {"effective", held}, {"permitted", held}};
  Json rlimits = Json::array();
  for (const Rlimit& limit : config.rlimits) {
    rlimits.push_back({{"type", limit.type}, {"soft", limit.soft}, {"hard", limit.hard}});
  }
  process["rlimits"] = std::move(rlimits);
  return process;
}

}  // namespace

bool EnvNameAllowed(std::string_view name, const std::vector<std::string>& patterns) {
  const bool by_prefix = !initdata::IsLoaderVariable(name);
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return name == pattern;
    return by_prefix && name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

std::string ShowCommand(const std::vector<std::string>& argv) {
  return Json(argv).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status CheckStreams(const initdata::GuestPolicy& policy, bool with_stdin, bool terminal) {
  constexpr char kWayOut[] = ", or set allow_stdin = true in initdata's [agent]";
  if (terminal && policy.hide_output) {
    return Error(
        ErrorCode::kPermissionDenied,
        "a terminal shows what is typed and printed, and initdata says hide_output: run it "
        "without tty");
  }
  // What an interpreter reads there it does, so it counts as a command; and a terminal sends
  // signals.
  if (policy.allow_stdin || !(with_stdin || terminal)) return Ok();
  if (terminal) {
    return Error(ErrorCode::kPermissionDenied,
                 std::string("a terminal is a standard input, which the host may not write to: run "
                             "it without tty") +
                     kWayOut);
  }
  return Error(ErrorCode::kPermissionDenied,
               std::string("the host may not write to the container's standard input: run it "
                           "without stdin") +
                   kWayOut);
}

void MergeEnvironment(const HostRequest& host, const initdata::GuestPolicy& policy,
                      GuestConfig& config) {
  auto& env = config.process.env;
  for (const std::string& variable : host.env) {
    if (std::find(env.begin(), env.end(), variable) != env.end()) continue;
    if (variable == "HOSTNAME=" + config.hostname) continue;
    if (variable.find('=') != std::string::npos &&
        EnvNameAllowed(NameOf(variable), policy.allow_env)) {
      SetVariable(env, variable);
    } else {
      config.dropped.push_back("environment variable '" + std::string(NameOf(variable)) + "'");
    }
  }
}

void AddDefaultVariables(GuestConfig& config) {
  AddVariable(config, "PATH", kDefaultPath);
  AddVariable(config, "HOME", config.process.home.empty() ? "/" : config.process.home);
  if (config.terminal) AddVariable(config, "TERM", "xterm");
}

void AddHostname(GuestConfig& config) { AddVariable(config, "HOSTNAME", config.hostname); }

initdata::GuestPolicy PolicyForImage(initdata::GuestPolicy policy, const image::Digest& manifest) {
  const auto found = policy.images.find(manifest);
  if (found == policy.images.end()) return policy;
  const initdata::ImageRules more = found->second;
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(policy.every_image.allow_commands, more.allow_commands);
  append(policy.every_image.allow_exec, more.allow_exec);
  append(policy.every_image.allow_volumes, more.allow_volumes);
  return policy;
}

std::vector<Rlimit> GuestLimits() {
  std::vector<Rlimit> limits(kEngineLimits.begin(), kEngineLimits.end());
  for (const auto& [name, resource] : kRlimits) {
    if (std::ranges::find(limits, name, &Rlimit::type) != limits.end()) continue;
    rlimit own{};  // as low as can be, should the kernel not know it
    ::getrlimit(resource, &own);
    limits.push_back({.type = name, .soft = own.rlim_cur, .hard = own.rlim_max});
  }
  return limits;
}

Result<GuestConfig> ApplyPolicy(const ImageProcess& image, const HostRequest& host,
                                const initdata::GuestPolicy& policy,
                                const std::vector<Rlimit>& limits) {
  LOCKET_TRY(CheckCommand(image, host, policy));
  GuestConfig config{.process = image,
                     .capabilities = {},
                     .rlimits = {},
                     .hostname = host.hostname,
                     .no_new_privileges = host.no_new_privileges,
                     .read_only_root = host.read_only_root,
                     .terminal = host.terminal,
                     .all_syscalls = policy.allow_all_syscalls,
                     .limits = host};
  config.process.argv = host.args;
  if (config.process.working_directory.empty()) config.process.working_directory = "/";
  MergeEnvironment(host, policy, config);
  AddDefaultVariables(config);
  // Only the user: containerd knows no group where the image's files are sealed, and says 0.
  if (host.uid && *host.uid != image.uid) {
    config.dropped.push_back("user " + std::to_string(*host.uid) + " (the image's is " +
                             std::to_string(image.uid) + ")");
  }
  if (host.joins_processes) config.dropped.emplace_back("processes shared with others");
  ChooseCapabilities(host, config);
  ChooseRlimits(host, limits, config);
  NameOtherGroups(host, config);
  for (const std::string& name : host.sysctls) {
    config.dropped.push_back("kernel parameter '" + name + "'");
  }
  ChosenVolumes volumes = ChooseVolumes(host.mounts, policy.every_image.allow_volumes);
  config.volumes = std::move(volumes.mounts);
  for (std::string& what : volumes.left_out) config.dropped.push_back(std::move(what));
  return config;
}

std::string EncodeGuestProcess(const GuestConfig& config) {
  return Process(config).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string EncodeGuestConfig(const GuestConfig& config, const ContainerPaths& paths) {
  Json namespaces = Json::array();
  for (const char* type : {"pid", "mount", "ipc", "uts", "cgroup"}) {
    namespaces.push_back({{"type", type}});
  }
  Json document = {{"ociVersion", "1.0.2"},
                   {"process", Process(config)},
                   {"root", {{"path", paths.rootfs.string()}, {"readonly", config.read_only_root}}},
                   {"hostname", config.hostname},
                   {"mounts", Mounts(paths, config.volumes)},
                   {"linux",
                    {{"cgroupsPath", "/locket/" + paths.container_id},
                     {"namespaces", std::move(namespaces)},
                     {"resources", Resources(config.limits)},
                     {"maskedPaths", kMaskedPaths},
                     {"readonlyPaths", kReadOnlyPaths}}}};
  if (!config.all_syscalls) document["linux"]["seccomp"] = SeccompProfile();
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace locket::guest_agent
