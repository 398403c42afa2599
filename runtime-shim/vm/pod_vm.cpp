#include "runtime-shim/vm/pod_vm.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "initdata/initdata.h"
#include "runtime-shim/config/program_path.h"
#include "runtime-shim/hypervisor/guest_image.h"
#include "runtime-shim/hypervisor/scratch.h"
#include "runtime-shim/vm/guest_text.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kConsoleLog = "console.log";
constexpr std::string_view kInitdataFile = "initdata.img";
constexpr std::string_view kInitdataDisk = "initdata";
constexpr char kVhostNet[] = "/dev/vhost-net";
constexpr uint64_t kMib = uint64_t{1} << 20;
// Of QEMU's own beside the guest's memory; deploy/runtimeclass.yaml counts with it, too.
constexpr uint64_t kQemuMib = 160;

struct TenantData {
  std::optional<DiskSpec> disk{};
  std::string host_data_hex = std::string(64, '0');
  bool allows_network = false;  // the guest decides; here it only saves making what it refuses
};

// The initdata goes to the guest as it came; its digest goes into the launch.
Result<TenantData> WriteInitdata(const PodSpec& pod) {
  TenantData out;
  if (pod.initdata_base64.empty()) return out;
  LOCKET_TRY_ASSIGN(const auto toml, initdata::DecodeInitdataAnnotation(pod.initdata_base64));
  LOCKET_TRY_ASSIGN(const auto initdata, initdata::DecodeInitdata(toml));
  out.host_data_hex = HexEncode(initdata::HostDataFor(initdata.algorithm, toml));
  const auto policy = initdata::PolicyOf(initdata);
  out.allows_network = policy.ok() && policy->allow_network;
  LOCKET_TRY_ASSIGN(const auto device, initdata::EncodeInitdataDevice(toml));
  const auto path = pod.dir / kInitdataFile;
  LOCKET_TRY(ReplaceFileDurably(path, AsText(device)));
  out.disk = DiskSpec{.id = std::string(kInitdataDisk),
                      .path = path,
                      .serial = std::string(initdata::kInitdataDiskSerial)};
  return out;
}

Status MakeStateDir(const std::filesystem::path& dir) {
  std::error_code failed;
  std::filesystem::create_directories(dir.parent_path(), failed);
  if (!failed) std::filesystem::create_directory(dir, failed);
  if (!failed && ::chmod(dir.c_str(), 0700) != 0) failed.assign(errno, std::system_category());
  if (failed) return Error::FromErrno(failed.value(), "make '" + dir.string() + "'");
  return Ok();
}

struct GivenNetwork {
  PodNetwork network{};
  DnsConfig dns{};
};

Result<GivenNetwork> FindNetwork(const PodSpec& pod, const PodDependencies& dependencies,
                                 NetworkUse use) {
  GivenNetwork out;
  if (pod.netns.empty()) return out;
  auto opened = dependencies.open_network(pod.netns, use);
  if (!opened.ok() && use == NetworkUse::kDescribe) {
    // A network that no guest could take over stops no pod that is not to have one.
    log::Warning("leaving the pod's network alone, which initdata does not allow anyhow",
                 {{"pod", pod.id}, log::Field(opened.error())});
    return out;
  }
  LOCKET_TRY_ASSIGN(out.network, std::move(opened));
  if (out.network.interfaces.empty() || pod.resolv_conf.empty()) return out;
  LOCKET_TRY_ASSIGN(const auto text, ReadFile(pod.resolv_conf, kMaxResolvConfBytes));
  LOCKET_TRY_ASSIGN(out.dns, ParseResolvConf(text).While("'" + pod.resolv_conf.string() + "'"));
  return out;
}

std::vector<NicSpec> NicsOn(const PodNetwork& network, Accelerator accelerator) {
  // Without KVM there is nothing to gain: QEMU is in the way of each frame in any case.
  const bool vhost = accelerator == Accelerator::kKvm && ::access(kVhostNet, R_OK | W_OK) == 0;
  std::vector<NicSpec> nics;
  for (size_t i = 0; i < network.taps.size(); ++i) {
    nics.push_back({.mac = device::MacText(network.interfaces[i].link.mac),
                    .tap_fd = network.taps[i].get(),
                    .vhost = vhost});
  }
  return nics;
}

Result<VmSpec> DescribeVm(const Config& config, const PodSpec& pod, TenantData& tenant,
                          const PodDependencies& dependencies) {
  LOCKET_TRY_ASSIGN(const auto image, LoadGuestImage(config.guest_image_dir));
  LOCKET_TRY_ASSIGN(const auto qemu, FindProgram(config.qemu));
  LOCKET_TRY_ASSIGN(
      const auto accelerator,
      ChooseAccelerator(config.accelerator, config.state_dir, ProbeKey(qemu, image.kernel),
                        [&] { return dependencies.probe_kvm(qemu, image.kernel); }));
  VmSpec spec{.name = pod.id,
              .dir = pod.dir,
              .qemu = qemu,
              .kernel = image.kernel,
              .initrd = image.initrd,
              .cmdline = BootCmdline(image, config.kernel_params),
              .memory_mib = config.memory_mib,
              .vcpus = config.vcpus,
              .accelerator = accelerator,
              .initdata = std::move(tenant.disk)};
  if (config.tee == Tee::kNone) {
    spec.cmdline += " locket.tee=none";  // else the guest takes a missing TEE for one taken away
    return spec;
  }
  LOCKET_TRY_ASSIGN(const auto emulator, FindProgram(config.tee_emulator));
  log::Warning(
      "tee = \"emulated\": THE EMULATED TEE PROTECTS NOTHING; whoever runs this host can read and "
      "change all there is in the VM",
      {{"pod", pod.id}});
  spec.emulator = EmulatorSpec{.program = emulator,
                               .dir = config.tee_emulator_dir,
                               .host_data_hex = std::move(tenant.host_data_hex)};
  return spec;
}

Result<std::optional<PodCgroup>> MakeCgroup(const Config& config, const PodSpec& pod,
                                            const PodDependencies& dependencies) {
  std::optional<PodCgroup> cgroup;
  if (!config.pod_cgroup) return cgroup;
  LOCKET_TRY_ASSIGN(cgroup,
                    PodCgroup::Make(dependencies.cgroups, pod.cgroups_path, pod.id, pod.dir));
  if (!cgroup) return cgroup;
  // No refusal: a guest takes its memory as it comes to use it, and may never use it all.
  const uint64_t limit = cgroup->Usage().memory_limit_bytes;
  if (limit / kMib < config.memory_mib + kQemuMib) {
    log::Warning(
        "the pod's memory limit is less than its VM may take: the host then kills it; raise "
        "overhead.podFixed of the RuntimeClass or the pod's limits, or lower memory_mib",
        {{"pod", pod.id}, {"limit_mib", limit / kMib}, {"vm_mib", config.memory_mib + kQemuMib}});
  }
  return cgroup;
}

// Why the host's kernel killed what is in `cgroup`; empty if it did not.
std::string WhyOutOfMemory(const std::optional<PodCgroup>& cgroup, uint32_t memory_mib) {
  if (!cgroup) return {};
  const CgroupUsage usage = cgroup->Usage();
  if (usage.oom_kills == 0) return {};
  const std::string limit =
      usage.memory_limit_bytes == kNoLimit
          ? "no limit of the pod's, so one above it or the host's memory"
          : "limit " + std::to_string(usage.memory_limit_bytes / kMib) + " MiB";
  return "out of memory on the host, in cgroup '" + cgroup->name() + "': " + limit +
         ", and a VM of memory_mib = " + std::to_string(memory_mib) + " takes up to " +
         std::to_string(memory_mib + kQemuMib) +
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
  LOCKET_TRY(MakeStateDir(pod.dir).While(doing));
  LOCKET_TRY_ASSIGN(auto tenant,
                    WriteInitdata(pod).While("initdata of pod '" + pod.id + "'").While(doing));
  LOCKET_TRY_ASSIGN(auto spec, DescribeVm(config, pod, tenant, dependencies).While(doing));
  LOCKET_TRY_ASSIGN(const auto scratch,
                    MakeScratch(config.scratch_dir, config.scratch_mib).While(doing));
  if (scratch) spec.scratch = scratch->disk;
  const auto use = tenant.allows_network ? NetworkUse::kJoin : NetworkUse::kDescribe;
  LOCKET_TRY_ASSIGN(auto given, FindNetwork(pod, dependencies, use).While(doing));
  spec.nics = NicsOn(given.network, spec.accelerator);
  LOCKET_TRY_ASSIGN(auto cgroup, MakeCgroup(config, pod, dependencies).While(doing));
  if (cgroup) spec.cgroups = cgroup->directories();
  auto vmm = dependencies.launch(spec);
  if (!vmm.ok()) {
    const std::string why = WhyOutOfMemory(cgroup, config.memory_mib);
    return std::move(vmm).error().While(why.empty() ? doing : doing + ": " + why);
  }
  given.network.taps.clear();  // the VM has them, and with it they go
  std::unique_ptr<PodVm> vm(
      new PodVm(std::move(vmm).value(), std::move(cgroup), config.memory_mib, std::move(on_dead)));
  auto connected = vm->Connect(config, pod,
                               {.id = pod.id,
                                .hostname = pod.hostname,
                                .network = &given.network,
                                .dns = std::move(given.dns),
                                .with_scratch = scratch.has_value()});
  if (connected.ok()) {
    const std::lock_guard lock(vm->mutex_);
    vm->booted_ = !vm->death_;
    if (vm->booted_) return vm;
    connected = Error(ErrorCode::kUnavailable, "the VM ended");
  }
  vm->Fail("it did not boot");
  const std::string why = vm->WaitDead();
  Error error = std::move(connected).error();
  if (error.code() == ErrorCode::kUnavailable) error = Error(error.code(), why);
  if (error.code() == ErrorCode::kDeadlineExceeded) {
    error = Error(error.code(), "the agent did not answer within " +
                                    std::to_string(config.boot_timeout.count()) +
                                    " s (boot_timeout_s)");
  }
  return WithConsole(std::move(error), pod.dir).While(doing);
}

PodVm::PodVm(std::unique_ptr<Vmm> vmm, std::optional<PodCgroup> cgroup, uint32_t memory_mib,
             std::function<void(const std::string&)> on_dead)
    : vmm_(std::move(vmm)),
      cgroup_(std::move(cgroup)),
      memory_mib_(memory_mib),
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
  const std::string out_of_memory = WhyOutOfMemory(cgroup_, memory_mib_);
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
  // Whoever waits may destroy what `on_dead_` uses.
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
    hints.push_back({.digest = layer.digest, .serial = disks_.at(layer.digest).id});
  }
  return hints;
}

Status PodVm::AcquireOne(const LayerFile& layer, bool direct_io) {
  const auto found = disks_.find(layer.digest);
  if (found != disks_.end()) {
    ++found->second.uses;
    return Ok();
  }
  // Each plug has an id of its own, which is the disk's serial, too: while a disk leaves, another
  // with the same layer may come, and the guest has to tell them apart.
  const std::string id = "layer-" + std::to_string(next_disk_++);
  const Status attached =
      vmm_->AttachDisk({.id = id, .path = layer.path, .serial = id, .direct_io = direct_io});
  if (!attached.ok()) {
    FailIfSilent(attached.error());
    return attached;
  }
  disks_.emplace(layer.digest, Disk{.id = id, .uses = 1});
  return Ok();
}

// A hypervisor that does not answer will not obey either, and no pod could be removed with it.
void PodVm::FailIfSilent(const Error& error) {
  if (error.code() == ErrorCode::kDeadlineExceeded) Fail("QEMU hangs: " + error.message());
}

void PodVm::ReleaseLayers(std::span<const LayerHint> layers) {
  const MutexLock lock(disks_mutex_);
  for (const LayerHint& layer : layers) ReleaseOne(layer.digest);
}

void PodVm::ReleaseOne(const std::string& digest) {
  const auto found = disks_.find(digest);
  if (found == disks_.end() || --found->second.uses > 0) return;
  const std::string id = std::move(found->second.id);
  disks_.erase(found);  // whatever comes of it, nobody can rely on the disk any more
  if (dead()) return;
  const auto detached = vmm_->DetachDisk(id);
  if (detached.ok()) return;
  log::Warning("cannot unplug a layer; leaving it in the VM",
               {{"layer", digest}, {"disk", id}, log::Field(detached.error())});
  FailIfSilent(detached.error());
}

size_t PodVm::attached_layers() const {
  const MutexLock lock(disks_mutex_);
  return disks_.size();
}

}  // namespace locket::runtime_shim
