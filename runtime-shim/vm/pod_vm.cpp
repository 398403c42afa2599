#include "runtime-shim/vm/pod_vm.h"

#include "base/file.h"
#include "base/log.h"
#include "runtime-shim/vm/guest_text.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kConsoleLog = "console.log";
constexpr uint64_t kMib = uint64_t{1} << 20;

// Why the host's kernel killed what is in `cgroup`; empty if it did not. A VM with `memory_mib` for
// its guest takes up to `all_mib`.
std::string WhyOutOfMemory(const std::optional<PodCgroup>& cgroup, uint32_t memory_mib,
                           uint64_t all_mib) {
  if (!cgroup) return {};
  const CgroupUsage usage = cgroup->Usage();
  if (usage.oom_kills == 0) return {};
  const std::string limit =
      usage.memory_limit_bytes == kNoLimit
          ? "no limit of the pod's, so one above it or the host's memory"
          : "limit " + std::to_string(usage.memory_limit_bytes / kMib) + " MiB";
  return "out of memory on the host, in cgroup '" + cgroup->name() + "': " + limit +
         ", and a VM of memory_mib = " + std::to_string(memory_mib) + " takes up to " +
         std::to_string(all_mib) +
         " MiB; raise overhead.podFixed of the RuntimeClass or the pod's limits, or lower "
         "memory_mib";
}

// `error`, and how the guest's console ends.
Error WithConsole(Error error, const std::filesystem::path& dir) {
  std::string tail = LogTail(dir / kConsoleLog, kConsoleTail);
  while (tail.ends_with('\n')) tail.pop_back();
  if (tail.empty()) tail = "(the guest printed nothing)";
  return {error.code(), error.message() + "; its console ends:\n" + tail};
}

}  // namespace

Result<std::unique_ptr<PodVm>> PodVm::Boot(const Config& config, const PodSpec& pod,
                                           const PodDependencies& dependencies,
                                           std::function<void(const std::string&)> on_dead) {
  const std::string doing = "boot the VM of pod '" + pod.id + "'";
  LOCKET_TRY_ASSIGN(auto prepared, PrepareVm(config, pod, dependencies).While(doing));
  Hypervisor& hypervisor = dependencies.hypervisor;
  auto vmm = hypervisor.Launch(DescribeVm(config, pod, prepared));
  if (!vmm.ok()) {
    const std::string why =
        WhyOutOfMemory(prepared.cgroup, config.memory_mib, VmMemoryMib(config, hypervisor));
    return std::move(vmm).error().While(why.empty() ? doing : doing + ": " + why);
  }
  prepared.network.taps.clear();  // the VM has them, and with it they go
  std::unique_ptr<PodVm> vm(new PodVm(config, hypervisor, std::move(vmm).value(),
                                      std::move(prepared.cgroup), std::move(on_dead)));
  auto connected = vm->Connect(config, pod,
                               {.id = pod.id,
                                .hostname = pod.hostname,
                                .network = &prepared.network,
                                .dns = std::move(prepared.dns),
                                .with_scratch = prepared.scratch.has_value()});
  if (connected.ok()) {
    const std::lock_guard lock(vm->mutex_);
    vm->booted_ = !vm->death_;
    if (vm->booted_) return vm;
    connected = Error(ErrorCode::kUnavailable, "the VM ended");
  }
  return vm->WhyNotBooted(config, pod, std::move(connected).error()).While(doing);
}

// Ends the VM, and says what kept it from booting.
Error PodVm::WhyNotBooted(const Config& config, const PodSpec& pod, Error error) {
  Fail("it did not boot");
  const std::string why = WaitDead();
  if (error.code() == ErrorCode::kUnavailable) error = Error(error.code(), why);
  if (error.code() == ErrorCode::kDeadlineExceeded) {
    error = Error(error.code(), "the agent did not answer within " +
                                    std::to_string(config.boot_timeout.count()) +
                                    " s (boot_timeout_s)");
  }
  return WithConsole(std::move(error), pod.dir);
}

PodVm::PodVm(const Config& config, const Hypervisor& hypervisor, std::unique_ptr<Vmm> vmm,
             std::optional<PodCgroup> cgroup, std::function<void(const std::string&)> on_dead)
    : hypervisor_(hypervisor.name()),
      vmm_(std::move(vmm)),
      cgroup_(std::move(cgroup)),
      memory_mib_(config.memory_mib),
      all_memory_mib_(VmMemoryMib(config, hypervisor)),
      on_dead_(std::move(on_dead)),
      watcher_([this] { Watch(); }) {}

PodVm::~PodVm() { Fail("the pod is gone"); }

Status PodVm::Connect(const Config& config, const PodSpec& pod, const SandboxRequest& sandbox) {
  LOCKET_TRY_ASSIGN(auto console, vmm_->TakeChannel(Channel::kConsole));
  console_ = std::make_unique<ConsoleLog>(std::move(console), pod.dir / kConsoleLog,
                                          [this](const std::string& line) { Fail(line); });
  LOCKET_TRY_ASSIGN(auto relay, vmm_->TakeChannel(Channel::kRelay));
  relay_ = std::make_unique<Relay>(std::move(relay), config.relay_allow);
  LOCKET_TRY_ASSIGN(auto agent, vmm_->TakeChannel(Channel::kAgent));
  LOCKET_TRY_ASSIGN(
      agent_, AgentClient::Create(std::move(agent), config.call_timeout, [this](const Error& why) {
        Fail("the agent's channel ended: " + why.message());
      }));
  LOCKET_TRY(vmm_->Resume());
  LOCKET_TRY_ASSIGN(const auto version, agent_->Greet(config.boot_timeout));
  LOCKET_TRY_ASSIGN(const auto left_out, agent_->CreateSandbox(sandbox));
  if (!left_out.empty()) {
    log::Warning("the guest runs the pod without all that it was given",
                 {{"pod", pod.id}, {"left_out", LeftOutText(left_out)}});
  }
  log::Info("VM is up", {{"pod", pod.id}, {"agent_version", version}, {"pid", vmm_->pid()}});
  return Ok();
}

uint32_t PodVm::pid() const { return static_cast<uint32_t>(vmm_->pid()); }

void PodVm::Watch() {
  const std::string exit = vmm_->WaitForExit();
  const std::string out_of_memory = WhyOutOfMemory(cgroup_, memory_mib_, all_memory_mib_);
  std::string why;
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    why = failure_.empty() ? exit : failure_ + "; " + exit;
    // First, as it explains the rest: channels that ended, and a kill.
    if (!out_of_memory.empty()) why = out_of_memory + "; " + why;
    out_of_memory_ = !out_of_memory.empty();
    death_ = why;
    tell = booted_;
    died_.notify_all();
  }
  if (tell) on_dead_(why);
  // Only now, because those that wait may destroy what `on_dead_` uses.
  const std::lock_guard lock(mutex_);
  told_ = true;
  died_.notify_all();
}

void PodVm::Fail(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = why;
  }
  vmm_->Kill();
}

void PodVm::Stop(milliseconds grace) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = "stopped on request";
  }
  const auto deadline = std::chrono::steady_clock::now() + grace;
  if (grace.count() > 0 && !dead()) {
    const auto asked = agent_->Shutdown(grace);
    std::unique_lock lock(mutex_);
    if (asked.ok() && died_.wait_until(lock, deadline, [&] { return death_.has_value(); })) return;
  }
  vmm_->Kill();
}

bool PodVm::dead() const {
  const std::lock_guard lock(mutex_);
  return death_.has_value();
}

bool PodVm::out_of_memory() const {
  const std::lock_guard lock(mutex_);
  return out_of_memory_;
}

std::optional<CgroupUsage> PodVm::Usage() const {
  if (!cgroup_) return std::nullopt;
  return cgroup_->Usage();
}

std::string PodVm::WaitDead() {
  std::unique_lock lock(mutex_);
  died_.wait(lock, [&] { return told_; });
  return *death_;
}

bool PodVm::DiesWithin(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return died_.wait_for(lock, limit, [&] { return told_; });
}

Result<std::vector<LayerHint>> PodVm::AcquireLayers(std::span<const LayerFile> layers,
                                                    bool direct_io) {
  const MutexLock lock(disks_mutex_);
  std::vector<LayerHint> hints;
  for (const LayerFile& layer : layers) {
    const auto acquired = AcquireOne(layer, direct_io);
    if (!acquired.ok()) {
      for (const LayerHint& hint : hints) ReleaseOne(hint.digest);
      return Error(acquired.error()).While("attach layer " + layer.digest);
    }
    hints.push_back({.digest = layer.digest, .serial = disks_.at(layer.digest).serial});
  }
  return hints;
}

Status PodVm::AcquireOne(const LayerFile& layer, bool direct_io) {
  const auto found = disks_.find(layer.digest);
  if (found != disks_.end()) {
    ++found->second.uses;
    return Ok();
  }
  // Each plug has an id of its own: while a disk leaves, another with the same layer may come.
  const std::string id = "layer-" + std::to_string(next_disk_++);
  auto serial = vmm_->AttachDisk({.id = id, .path = layer.path, .direct_io = direct_io});
  if (!serial.ok()) {
    FailIfSilent(serial.error());
    return std::move(serial).error();
  }
  disks_.emplace(layer.digest, Disk{.id = id, .serial = std::move(serial).value(), .uses = 1});
  return Ok();
}

// A hypervisor that does not answer will not obey either, and no pod could be removed with it.
void PodVm::FailIfSilent(const Error& error) {
  if (error.code() == ErrorCode::kDeadlineExceeded)
    Fail(hypervisor_ + " hangs: " + error.message());
}

void PodVm::ReleaseLayers(std::span<const LayerHint> layers) {
  const MutexLock lock(disks_mutex_);
  for (const LayerHint& layer : layers) ReleaseOne(layer.digest);
}

void PodVm::ReleaseOne(const std::string& digest) {
  const auto found = disks_.find(digest);
  if (found == disks_.end() || --found->second.uses > 0) return;
  const std::string id = std::move(found->second.id);
  disks_.erase(found);  // also if the disk stays: no container may use it any more
  if (dead()) return;
  const auto detached = vmm_->DetachDisk(id);
  if (detached.ok()) return;
  log::Warning("cannot unplug a layer; leaving it in the VM",
               {{"layer", digest}, {"disk", id}, log::Field(detached.error())});
  FailIfSilent(detached.error());
}

}  // namespace locket::runtime_shim
