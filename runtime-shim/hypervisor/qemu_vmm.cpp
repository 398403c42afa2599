#include "runtime-shim/hypervisor/qemu_vmm.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/subprocess.h"
#include "rpc/transport.h"
#include "runtime-shim/config/program_path.h"
#include "runtime-shim/hypervisor/accelerator.h"
#include "runtime-shim/hypervisor/console_log.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/hypervisor/qemu_args.h"
#include "runtime-shim/hypervisor/qemu_disks.h"
#include "runtime-shim/hypervisor/qmp.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long the emulator may take to pass SIGTERM on before it and QEMU are killed.
constexpr milliseconds kTermGrace{2000};
// How often a starting QEMU is looked at: it has no way to say "my sockets are there now".
constexpr milliseconds kStartPoll{10};
// QEMU's own memory beside the guest's; deploy/runtimeclass.yaml counts with it, too.
constexpr uint32_t kQemuMib = 160;
constexpr char kKvmDevice[] = "/dev/kvm";
// From QEMU closing its sockets to its end.
constexpr milliseconds kEndPoll{1000};

std::string_view SocketOf(Channel channel) {
  switch (channel) {
    case Channel::kAgent:
      return kAgentSocket;
    case Channel::kRelay:
      return kRelaySocket;
    case Channel::kConsole:
      break;
  }
  return kConsoleSocket;
}

std::string Exited(int status) {
  if (status > 128) return "QEMU was killed by signal " + std::to_string(status - 128);
  return "QEMU exited with status " + std::to_string(status);
}

// With what it printed, if anything, on the same line.
std::string WithLog(std::string text, const std::filesystem::path& dir) {
  std::string log = LogTail(dir / kQemuLog, kConsoleTail);
  while (log.ends_with('\n')) log.pop_back();
  std::ranges::replace(log, '\n', ' ');
  return log.empty() ? text : text + ": " + log;
}

class QemuVmm final : public Vmm {
 public:
  QemuVmm(Subprocess child, const VmSpec& spec)
      : dir_(spec.dir), pid_(child.pid()), child_(std::move(child)) {}
  QemuVmm(const QemuVmm&) = delete;
  QemuVmm& operator=(const QemuVmm&) = delete;
  ~QemuVmm() override {
    Kill();
    (void)WaitForExit();
  }

  // Until QEMU answers on its control socket.
  Status Connect(const VmSpec& spec, milliseconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    while (true) {
      auto socket = rpc::ConnectUnix(dir_ / kQmpSocket);
      if (socket.ok()) {
        auto qmp = QmpClient::Create(std::move(socket).value(), timeout);
        if (!qmp.ok()) return WhyNot(std::move(qmp).error());
        qmp_ = std::move(qmp).value();
        disks_ = std::make_unique<QemuDisks>(*qmp_, spec);
        return RecordProcesses();
      }
      const auto ended = TryWait(kStartPoll);
      if (ended) return Error(ErrorCode::kInternal, WithLog(*ended, dir_));
      if (steady_clock::now() > deadline) {
        return Error(ErrorCode::kDeadlineExceeded, WithLog("QEMU did not come up in time", dir_));
      }
    }
  }

  Result<UniqueFd> TakeChannel(Channel channel) override {
    return rpc::ConnectUnix(dir_ / SocketOf(channel));
  }

  Status Resume() override {
    LOCKET_TRY(qmp_->Execute("cont"));
    return Ok();
  }

  Result<std::string> AttachDisk(const DiskSpec& disk) override { return disks_->Attach(disk); }
  Status DetachDisk(const std::string& id) override { return disks_->Detach(id); }

  std::string WaitForExit() override {
    const MutexLock lock(wait_mutex_);
    if (!ended_) {
      const auto status = child_.Wait();
      ended_ = status.ok() ? Exited(*status) : status.error().message();
      // The emulator may have died without its QEMU.
      (void)KillRecorded(dir_, milliseconds(0));
    }
    return WithLog(*ended_, dir_);
  }

  void Kill() override {
    if (killed_.exchange(true)) return;
    // On a thread, so that the caller does not wait, and a VM with an emulator around it gets the
    // chance to end in order.
    killer_ = std::jthread([this] { (void)KillRecorded(dir_, kTermGrace); });
  }

  pid_t pid() const override { return pid_; }

  Status RecordProcesses() const {
    std::vector<ProcessId> processes;
    if (const auto launcher = IdentifyProcess(pid_); launcher.ok()) processes.push_back(*launcher);
    if (const auto qemu = ReadPidFile(dir_); qemu && *qemu != pid_) {
      if (const auto inner = IdentifyProcess(*qemu); inner.ok()) processes.push_back(*inner);
    }
    return WriteProcessRecord(dir_, processes);
  }

 private:
  // QEMU opens its sockets before it reads its kernel: that it closed them again is not the reason.
  Error WhyNot(Error error) {
    const auto ended = TryWait(kEndPoll);
    return ended ? Error(ErrorCode::kInternal, WithLog(*ended, dir_)) : std::move(error);
  }

  // How it ended, if it does within `timeout`.
  std::optional<std::string> TryWait(milliseconds timeout) {
    const MutexLock lock(wait_mutex_);
    if (ended_) return ended_;
    const auto status = child_.Wait(timeout);
    if (status.ok()) ended_ = Exited(*status);
    return ended_;
  }

  const std::filesystem::path dir_;
  const pid_t pid_;
  std::unique_ptr<QmpClient> qmp_;
  std::unique_ptr<QemuDisks> disks_;  // both from Connect on

  Mutex wait_mutex_;
  Subprocess child_ LOCKET_GUARDED_BY(wait_mutex_);
  std::optional<std::string> ended_ LOCKET_GUARDED_BY(wait_mutex_);

  std::atomic<bool> killed_ = false;
  std::jthread killer_;  // first to go: it uses the rest
};

}  // namespace

uint32_t QemuHypervisor::overhead_mib() const { return kQemuMib; }

Result<Accelerator> QemuHypervisor::ChooseAccelerator(AcceleratorChoice choice,
                                                      const std::filesystem::path& kernel) {
  LOCKET_TRY_ASSIGN(const auto qemu, FindProgram(options_.program));
  return runtime_shim::ChooseAccelerator(choice, options_.state_dir, ProbeKey(qemu, kernel), [&] {
    return ProbeKvm(qemu, kernel, kKvmDevice, kProbeTimeout);
  });
}

Result<std::unique_ptr<Vmm>> QemuHypervisor::Launch(const VmSpec& spec) {
  const std::string doing = "start VM '" + spec.name + "'";
  LOCKET_TRY_ASSIGN(const auto qemu, FindProgram(options_.program).While(doing));
  LOCKET_TRY_ASSIGN(const auto args, LaunchArgs(qemu, spec).While(doing));
  LOCKET_TRY_ASSIGN(
      const auto log,
      OpenFile(spec.dir / kQemuLog, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600).While(doing));
  SpawnOptions options{.stdout_fd = log.get(), .stderr_fd = log.get()};
  for (const NicSpec& nic : spec.nics) options.inherited_fds.push_back(nic.tap_fd);
  std::vector<UniqueFd> cgroups;
  for (const auto& directory : spec.cgroups) {
    LOCKET_TRY_ASSIGN(auto procs, OpenFile(directory / "cgroup.procs", O_WRONLY).While(doing));
    options.cgroup_fds.push_back(procs.get());
    cgroups.push_back(std::move(procs));
  }
  LOCKET_TRY_ASSIGN(auto child, Subprocess::Start(args, options).While(doing));
  auto vmm = std::make_unique<QemuVmm>(std::move(child), spec);
  LOCKET_TRY(vmm->RecordProcesses().While(doing));
  LOCKET_TRY(vmm->Connect(spec, options_.call_timeout).While(doing));
  return std::unique_ptr<Vmm>(std::move(vmm));
}

}  // namespace locket::runtime_shim
