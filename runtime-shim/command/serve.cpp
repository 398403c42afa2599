#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "rpc/ttrpc_server.h"
#include "runtime-shim/command/commands.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/hypervisor/qemu_vmm.h"
#include "runtime-shim/task/events.h"
#include "runtime-shim/task/pod.h"
#include "runtime-shim/task/task_service.h"

namespace locket::runtime_shim {
namespace {

constexpr std::string_view kProgram = "containerd-shim-locket-v2";
constexpr size_t kMaxMountinfo = 16U << 20;  // hosts have thousands of mounts

// containerd reads the FIFO `log` in the bundle. Opened for both and without waiting: a containerd
// that is down must neither stop the shim nor be a broken pipe; lines it has no room for are lost.
void LogToContainerd(const std::filesystem::path& bundle) {
  std::error_code failed;
  if (!std::filesystem::is_fifo(bundle / "log", failed)) return;
  const auto fifo = OpenFile(bundle / "log", O_RDWR | O_NONBLOCK);
  if (fifo.ok()) (void)::dup2(fifo->get(), STDERR_FILENO);
}

// Blocks SIGTERM and SIGINT in all threads made after it, and turns the first one into a call.
class TerminationWatch {
 public:
  static Result<std::unique_ptr<TerminationWatch>> Create() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
      return Error::FromErrno(errno, "block signals");
    std::unique_ptr<TerminationWatch> watch(new TerminationWatch());
    watch->signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
    watch->stop_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!watch->signals_.valid() || !watch->stop_.valid()) {
      return Error::FromErrno(errno, "watch signals");
    }
    return watch;
  }
  TerminationWatch(const TerminationWatch&) = delete;
  TerminationWatch& operator=(const TerminationWatch&) = delete;
  ~TerminationWatch() { (void)::eventfd_write(stop_.get(), 1); }

  void Start(std::function<void()> on_signal) {
    thread_ = std::jthread([this, on_signal = std::move(on_signal)] {
      std::array<pollfd, 2> waiting{pollfd{signals_.get(), POLLIN, 0},
                                    pollfd{stop_.get(), POLLIN, 0}};
      while (::poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
      }
      if (waiting[0].revents != 0) on_signal();
    });
  }

 private:
  TerminationWatch() = default;
  UniqueFd signals_;
  UniqueFd stop_;
  std::jthread thread_;
};

// So that `delete` finds the shim itself, too.
Status RecordShim(const std::filesystem::path& state) {
  std::error_code failed;
  std::filesystem::create_directories(state / "shim", failed);
  if (failed) return Error::FromErrno(failed.value(), "make '" + state.string() + "'");
  LOCKET_TRY_ASSIGN(const auto self, IdentifyProcess(::getpid()));
  return WriteProcessRecord(state / "shim", {self});
}

// QEMU inherits the limit, and holds a file open for each layer.
void RaiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

HostCgroups FindHostCgroups(const std::string& namespace_name) {
  HostCgroups host{.unasked_parent = namespace_name, .files = &KernelCgroupFiles()};
  const auto mountinfo = ReadFile("/proc/self/mountinfo", kMaxMountinfo);
  if (mountinfo.ok()) {
    host.mounts = ParseCgroupMounts(*mountinfo);
  } else {
    log::Warning("cannot look for cgroups", {log::Field(mountinfo.error())});
  }
  return host;
}

}  // namespace

Status RunServe(const CommandLine& line, const std::string& events_address) {
  UniqueFd socket(kListenFd);
  LogToContainerd(line.bundle);
  LOCKET_TRY_ASSIGN(const auto config, LoadConfig(line.config));
  log::Init(kProgram, line.debug ? log::Level::kDebug : config.log_level, log::Format::kText);
  if (::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return Error::FromErrno(errno, "no listening socket on descriptor 3");
  }
  // Peers may go at any time; that is an error of a write and no signal.
  (void)::signal(SIGPIPE, SIG_IGN);
  RaiseOpenFiles();
  // The bundle goes away while we live.
  if (::chdir("/") != 0) return Error::FromErrno(errno, "change to /");
  const auto state = config.state_dir / line.id;
  LOCKET_TRY(RecordShim(state));
  LOCKET_TRY_ASSIGN(auto termination, TerminationWatch::Create());

  EventPublisher events(events_address, line.namespace_name);
  QemuHypervisor hypervisor(
      {.program = config.qemu, .state_dir = config.state_dir, .call_timeout = config.call_timeout});
  Pod pod(config,
          {.hypervisor = hypervisor,
           .open_network = OpenPodNetwork,
           .cgroups = FindHostCgroups(line.namespace_name)},
          events);
  rpc::TtrpcMethods methods;
  const auto server = rpc::TtrpcServer::Create(methods);
  AddTaskService(methods, pod, [&server] { server->Stop(); });
  termination->Start([&] {
    log::Warning("ending on a signal; the pod's VM ends, too");
    pod.Abort("the shim got a signal");
    server->Stop();
  });
  log::Info("serving", {{"pod", line.id}, {"version", kVersion}});
  const auto served = server->AcceptLoop(socket.get());
  termination.reset();  // it calls what dies now
  const auto address =
      SocketAddress(config, line, line.id).substr(std::string_view("unix://").size());
  std::error_code ignored;
  std::filesystem::remove(address, ignored);
  std::filesystem::remove_all(state / "shim", ignored);
  std::filesystem::remove(state, ignored);
  log::Info("the shim ends", {{"pod", line.id}});
  return served;
}

}  // namespace locket::runtime_shim
