#include "cli/pod/pod.h"

#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ostream>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "cli/pod/cri_log.h"

namespace locket::cli {
namespace fs = std::filesystem;
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kQuery{10};  // calls that only ask
constexpr seconds kStop{90};   // calls that stop: the VM gets its time to end
constexpr milliseconds kLookAgain{100};
constexpr seconds kSettle{15};      // for containerd to notice that a shim was killed
constexpr seconds kExecMargin{30};  // for containerd to kill it
constexpr seconds kExecForever{7 * 24 * 3600};
constexpr int kExitInterrupted = 130;  // 128 + SIGINT, as shells do
constexpr const char* kLogName = "container.log";
constexpr std::string_view kOutOfMemory = "OOMKilled";  // containerd's, and so Kubernetes' word

Result<std::string> RandomHex(size_t bytes) {
  std::vector<std::byte> random(bytes);
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(bytes)) {
    return Error::FromErrno(errno, "getrandom");
  }
  return HexEncode(random);
}

// True once the descriptor is readable; waits for it up to `wait`.
bool Interrupted(int interrupt_fd, milliseconds wait) {
  pollfd fd{interrupt_fd, POLLIN, 0};  // poll ignores a negative descriptor
  return ::poll(&fd, 1, static_cast<int>(wait.count())) > 0;
}

// Only what this tool puts there: the directory comes from containerd's answer.
void RemoveLogs(const fs::path& directory) {
  std::error_code ignored;  // what stays is a small file the operator can see
  fs::remove(directory / kLogName, ignored);
  fs::remove(directory, ignored);
}

// For about two seconds after a shim was killed containerd 2.3 and later have no task of its
// containers, so that there is nothing to stop, and call them running all the same, so that nothing
// is removed: they come to know better when a back-off is over (handleContainerExit).
bool IsNotSettledYet(const Error& error) {
  return error.message().find("container is still running, to stop first") != std::string::npos;
}

Status StopAndRemove(CriClient& cri, const std::string& pod_id) {
  const auto until = std::chrono::steady_clock::now() + kSettle;
  while (true) {
    LOCKET_TRY(cri.StopPod(pod_id, kStop).While("stop pod"));
    Status removed = cri.RemovePod(pod_id, kStop).While("remove pod");
    if (removed.ok() || !IsNotSettledYet(removed.error())) return removed;
    if (std::chrono::steady_clock::now() > until) return removed;
    std::this_thread::sleep_for(kLookAgain);
  }
}

// A sandbox that is removed unless Keep was called.
class Sandbox {
 public:
  Sandbox(CriClient& cri, std::string id) : cri_(cri), id_(std::move(id)) {}
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox() {
    if (keep_) return;
    cri_.IgnoreInterruption();
    // The caller reports the failure that brought us here; `pod ls` shows what could not be
    // removed.
    if (auto removed = StopAndRemove(cri_, id_); !removed.ok()) return;
  }
  const std::string& id() const { return id_; }
  void Keep() { keep_ = true; }

 private:
  CriClient& cri_;
  std::string id_;
  bool keep_ = false;
};

Result<std::string> LogDirectoryOf(CriClient& cri, const std::string& pod_id) {
  LOCKET_TRY_ASSIGN(const auto containers, cri.ListContainers(kQuery));
  for (const auto& container : containers) {
    if (container.pod_id != pod_id) continue;
    LOCKET_TRY_ASSIGN(const auto status, cri.GetContainer(container.id, kQuery));
    if (status.log_path.empty()) break;
    return fs::path(status.log_path).parent_path().string();
  }
  return Error(ErrorCode::kNotFound, "the pod has no log");
}

Status MakeRoom(CriClient& cri, const std::string& name) {
  LOCKET_TRY_ASSIGN(const auto pods, cri.ListPods(kQuery));
  for (const auto& pod : pods) {
    if (pod.name != name) continue;
    if (pod.ready) {
      return Error(ErrorCode::kAlreadyExists,
                   "a pod of that name is running; 'locket pod stop " + name + "' ends it");
    }
    const auto logs = LogDirectoryOf(cri, pod.id);
    LOCKET_TRY(StopAndRemove(cri, pod.id).While("make room for it"));
    if (logs.ok()) RemoveLogs(*logs);
  }
  return Ok();
}

struct Running {
  CriClient& cri;
  std::string container_id;
  int interrupt_fd;
};

// Copies the log until the container has ended.
Result<ContainerStatus> Follow(const Running& running, CriLogReader& log) {
  while (true) {
    LOCKET_TRY_ASSIGN(const auto status, running.cri.GetContainer(running.container_id, kQuery));
    if (status.state == ContainerState::kExited) {
      LOCKET_TRY(log.CopyRest());
      return status;
    }
    LOCKET_TRY(log.Copy());
    if (status.state == ContainerState::kUnknown) {
      return Error(ErrorCode::kInternal, "containerd lost the container; its VM may have died");
    }
    if (Interrupted(running.interrupt_fd, kLookAgain)) {
      return Error(ErrorCode::kCancelled, "interrupted");
    }
  }
}

Result<int> Attend(CriClient& cri, const RunPodRequest& request, Sandbox& sandbox,
                   const Running& running, const fs::path& log_path, Context& context) {
  CriLogReader log(log_path, context.out, context.err);
  auto ended = Follow(running, log);
  if (!ended.ok()) return std::move(ended).error().While("follow the container");
  if (ended->exit_code != 0 && !ended->message.empty()) {
    context.err << "locket: container '" << request.name << "': " << ended->message << "\n";
  }
  if (ended->reason == kOutOfMemory) {
    context.err << "locket: container '" << request.name
                << "' ran out of memory: it reached its limit, or the VM's\n";
  }
  cri.IgnoreInterruption();
  // The VM ends here in any case; the record and the log stay for 'pod logs' unless --rm.
  LOCKET_TRY(cri.StopPod(sandbox.id(), kStop).While("stop the pod"));
  if (request.remove) return ended->exit_code;
  sandbox.Keep();
  return ended->exit_code;
}

struct HostVolumes {
  std::optional<TempDir> directory{};
  std::vector<BindMount> mounts{};
};

// Directories as kubelet has them for empty volumes. A guest goes by their path alone: once the
// container runs nobody needs them.
Result<HostVolumes> MakeEmptyVolumes(const RunPodRequest& request, const PodSpec& pod) {
  HostVolumes made;
  if (request.empty_volumes.empty()) return made;
  LOCKET_TRY_ASSIGN(auto directory, TempDir::Create(pod.log_directory, "volumes-"));
  const auto volumes = directory.path() / "pods" / pod.uid / "volumes/kubernetes.io~empty-dir";
  for (const auto& path : request.empty_volumes) {
    const auto host_path = volumes / ("volume-" + std::to_string(made.mounts.size()));
    std::error_code failure;
    fs::create_directories(host_path, failure);
    if (failure) return Error::FromErrno(failure.value(), "make '" + host_path.string() + "'");
    made.mounts.push_back({.host_path = host_path.string(), .container_path = path});
  }
  made.directory.emplace(std::move(directory));
  return made;
}

// Everything behind RunPodSandbox.
Result<int> RunContainer(CriClient& cri, const RunPodRequest& request, const PodSpec& pod,
                         Sandbox& sandbox, int interrupt_fd, Context& context) {
  LOCKET_TRY_ASSIGN(const std::string image, cri.PullImage(request.image, pod, request.timeout)
                                                 .While("pull image '" + request.image + "'"));
  LOCKET_TRY_ASSIGN(const auto volumes, MakeEmptyVolumes(request, pod));
  const ContainerSpec container{.name = request.name,
                                .image = image,
                                .image_reference = request.image,
                                .log_path = kLogName,
                                .command = request.command,
                                .mounts = volumes.mounts,
                                .memory_limit_bytes = request.memory_limit_mib << 20};
  LOCKET_TRY_ASSIGN(const std::string id,
                    cri.CreateContainer(sandbox.id(), pod, container, request.timeout)
                        .While("create the container"));
  LOCKET_TRY(cri.StartContainer(id, request.timeout).While("start the container"));
  if (request.detach) {
    sandbox.Keep();
    context.out << request.name << "\n";
    return 0;
  }
  const Running running{.cri = cri, .container_id = id, .interrupt_fd = interrupt_fd};
  return Attend(cri, request, sandbox, running, fs::path(pod.log_directory) / kLogName, context);
}

Result<int> RunNamedPod(CriClient& cri, const RunPodRequest& request, int interrupt_fd,
                        Context& context) {
  LOCKET_TRY(MakeRoom(cri, request.name));
  LOCKET_TRY_ASSIGN(const std::string uid, RandomHex(8));
  const fs::path logs = fs::absolute(request.log_dir) / (request.name + "_" + uid);
  std::error_code failure;
  fs::create_directories(logs, failure);
  if (failure)
    return Error::FromErrno(failure.value(), "make log directory '" + logs.string() + "'");
  const PodSpec pod{.name = request.name,
                    .uid = uid,
                    .log_directory = logs.string(),
                    .annotations = request.annotations,
                    .runtime_handler = request.runtime_handler,
                    .cgroup_parent = request.cgroup_parent,
                    .network = request.network};
  auto id = cri.RunPod(pod, request.timeout).While("start the sandbox");
  if (!id.ok()) {
    RemoveLogs(logs);
    return std::move(id).error();
  }
  Sandbox sandbox(cri, *id);
  auto done = RunContainer(cri, request, pod, sandbox, interrupt_fd, context);
  if (!done.ok() || request.remove) RemoveLogs(logs);
  return done;
}

Result<PodInfo> FindPod(const std::vector<PodInfo>& pods, const std::string& name_or_id) {
  std::vector<PodInfo> found;
  for (const auto& pod : pods) {
    if (pod.name == name_or_id || pod.id == name_or_id) return pod;
    if (!name_or_id.empty() && pod.id.starts_with(name_or_id)) found.push_back(pod);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return Error(ErrorCode::kNotFound,
                 "there is no pod '" + name_or_id + "'; 'locket pod ls' lists them");
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + name_or_id + "' is the beginning of more than one pod's ID; give more of it");
}

// The id of a pod's one container.
Result<std::string> ContainerOf(CriClient& cri, const std::string& pod) {
  LOCKET_TRY_ASSIGN(const auto pods, cri.ListPods(kQuery));
  LOCKET_TRY_ASSIGN(const PodInfo found, FindPod(pods, pod));
  LOCKET_TRY_ASSIGN(const auto containers, cri.ListContainers(kQuery));
  const auto mine = std::find_if(containers.begin(), containers.end(),
                                 [&](const auto& one) { return one.pod_id == found.id; });
  if (mine != containers.end()) return mine->id;
  return Error(ErrorCode::kNotFound, "pod '" + pod + "' has no container");
}

}  // namespace

Status CheckPodName(std::string_view name) {
  const auto inner = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  const bool good = !name.empty() && name.size() <= 63 && name.front() != '-' &&
                    name.back() != '-' && std::all_of(name.begin(), name.end(), inner);
  if (good) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "pod name '" + std::string(name) +
                   "': use lower-case letters, digits and inner dashes, at most 63");
}

Result<int> RunPod(CriClient& cri, const RunPodRequest& request, int interrupt_fd,
                   Context& context) {
  RunPodRequest named = request;
  if (named.name.empty()) {
    LOCKET_TRY_ASSIGN(const std::string random, RandomHex(4));
    named.name = "pod-" + random;
  }
  auto done = RunNamedPod(cri, named, interrupt_fd, context);
  if (!done.ok() && done.error().code() == ErrorCode::kCancelled &&
      Interrupted(interrupt_fd, milliseconds(0))) {
    context.err << "locket: interrupted; pod '" << named.name << "' is stopped\n";
    return kExitInterrupted;
  }
  return std::move(done).While("run pod '" + named.name + "'");
}

Status PrintPodLog(CriClient& cri, const std::string& pod, bool follow, int interrupt_fd,
                   Context& context) {
  LOCKET_TRY_ASSIGN(const std::string id, ContainerOf(cri, pod));
  LOCKET_TRY_ASSIGN(const auto status, cri.GetContainer(id, kQuery));
  CriLogReader log(status.log_path, context.out, context.err);
  if (!follow) return log.CopyRest();
  auto ended = Follow({.cri = cri, .container_id = id, .interrupt_fd = interrupt_fd}, log);
  if (ended.ok() || ended.error().code() == ErrorCode::kCancelled) return Ok();
  return std::move(ended).error().While("follow pod '" + pod + "'");
}

Result<int> ExecInPod(CriClient& cri, const ExecRequest& request, int interrupt_fd,
                      Context& context) {
  const seconds patience = request.limit.count() > 0 ? request.limit + kExecMargin : kExecForever;
  const auto exec = [&]() -> Result<ExecOutput> {
    LOCKET_TRY_ASSIGN(const std::string id, ContainerOf(cri, request.pod));
    return cri.Exec(id, request.command, request.limit, patience);
  };
  auto done = exec();
  if (!done.ok()) {
    if (done.error().code() == ErrorCode::kCancelled &&
        Interrupted(interrupt_fd, milliseconds(0))) {
      context.err << "locket: interrupted; the command in pod '" << request.pod << "' is killed\n";
      return kExitInterrupted;
    }
    return std::move(done).error().While("exec in pod '" + request.pod + "'");
  }
  context.out << done->standard_output;
  context.err << done->standard_error;
  return done->exit_code;
}

Status StopPods(CriClient& cri, const std::vector<std::string>& pods, bool all, Context& context) {
  LOCKET_TRY_ASSIGN(const auto known, cri.ListPods(kQuery));
  std::vector<std::string> wanted = pods;
  if (all) {
    std::transform(known.begin(), known.end(), std::back_inserter(wanted),
                   [](const PodInfo& pod) { return pod.id; });
  }
  Status first = Ok();
  for (const auto& name : wanted) {
    const auto stop = [&]() -> Status {
      LOCKET_TRY_ASSIGN(const PodInfo pod, FindPod(known, name));
      const auto logs = LogDirectoryOf(cri, pod.id);
      LOCKET_TRY(StopAndRemove(cri, pod.id).While("pod '" + pod.name + "'"));
      if (logs.ok()) RemoveLogs(*logs);
      context.out << pod.name << "\n";
      return Ok();
    };
    auto stopped = stop();
    if (stopped.ok()) continue;
    if (first.ok()) {
      first = std::move(stopped);
    } else {
      context.err << "locket: " << stopped.error().message() << "\n";
    }
  }
  return first;
}

}  // namespace locket::cli
