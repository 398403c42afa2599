#include "runtime-shim/vm/prepare_vm.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "initdata/initdata.h"
#include "runtime-shim/config/program_path.h"

namespace locket::runtime_shim {
namespace {

constexpr std::string_view kInitdataFile = "initdata.img";
constexpr std::string_view kInitdataDisk = "initdata";
constexpr char kVhostNet[] = "/dev/vhost-net";
constexpr uint64_t kMib = uint64_t{1} << 20;

Status MakeStateDir(const std::filesystem::path& dir) {
  std::error_code failed;
  std::filesystem::create_directories(dir.parent_path(), failed);
  if (!failed) std::filesystem::create_directory(dir, failed);
  if (!failed && ::chmod(dir.c_str(), 0700) != 0) failed.assign(errno, std::system_category());
  if (failed) return Error::FromErrno(failed.value(), "make '" + dir.string() + "'");
  return Ok();
}

// What initdata decides on the host.
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

// The emulated TEE's program; empty without one.
Result<std::filesystem::path> FindEmulator(const Config& config, const PodSpec& pod) {
  if (config.tee == Tee::kNone) return std::filesystem::path();
  LOCKET_TRY_ASSIGN(auto emulator, FindProgram(config.tee_emulator));
  log::Warning(
      "tee = \"emulated\": THE EMULATED TEE PROTECTS NOTHING; whoever runs this host can read and "
      "change all there is in the VM",
      {{"pod", pod.id}});
  return emulator;
}

Status FindNetwork(const PodSpec& pod, const PodDependencies& dependencies, NetworkUse use,
                   Prepared& prepared) {
  if (pod.netns.empty()) return Ok();
  auto opened = dependencies.open_network(pod.netns, use);
  if (!opened.ok() && use == NetworkUse::kDescribe) {
    // A network that no guest could take over stops no pod that is not to have one.
    log::Warning("leaving the pod's network alone, which initdata does not allow anyhow",
                 {{"pod", pod.id}, log::Field(opened.error())});
    return Ok();
  }
  LOCKET_TRY_ASSIGN(prepared.network, std::move(opened));
  if (prepared.network.interfaces.empty() || pod.resolv_conf.empty()) return Ok();
  LOCKET_TRY_ASSIGN(const auto text, ReadFile(pod.resolv_conf, kMaxResolvConfBytes));
  LOCKET_TRY_ASSIGN(prepared.dns,
                    ParseResolvConf(text).While("'" + pod.resolv_conf.string() + "'"));
  return Ok();
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
  const uint64_t needed = VmMemoryMib(config, dependencies.hypervisor);
  if (limit / kMib < needed) {
    log::Warning(
        "the pod's memory limit is less than its VM may take: the host then kills it; raise "
        "overhead.podFixed of the RuntimeClass or the pod's limits, or lower memory_mib",
        {{"pod", pod.id}, {"limit_mib", limit / kMib}, {"vm_mib", needed}});
  }
  return cgroup;
}

std::vector<NicSpec> NicsOn(const PodNetwork& network, Accelerator accelerator) {
  // Without KVM there is nothing to gain: the hypervisor is in the way of each frame in any case.
  const bool vhost = accelerator == Accelerator::kKvm && ::access(kVhostNet, R_OK | W_OK) == 0;
  std::vector<NicSpec> nics;
  for (size_t i = 0; i < network.taps.size(); ++i) {
    nics.push_back({.mac = device::MacText(network.interfaces[i].link.mac),
                    .tap_fd = network.taps[i].get(),
                    .vhost = vhost});
  }
  return nics;
}

}  // namespace

Result<Prepared> PrepareVm(const Config& config, const PodSpec& pod,
                           const PodDependencies& dependencies) {
  LOCKET_TRY(MakeStateDir(pod.dir));
  LOCKET_TRY_ASSIGN(auto tenant, WriteInitdata(pod).While("initdata of pod '" + pod.id + "'"));
  LOCKET_TRY_ASSIGN(auto image, LoadGuestImage(config.guest_image_dir));
  LOCKET_TRY_ASSIGN(const auto accelerator,
                    dependencies.hypervisor.ChooseAccelerator(config.accelerator, image.kernel));
  Prepared prepared{.image = std::move(image),
                    .accelerator = accelerator,
                    .initdata_disk = std::move(tenant.disk),
                    .host_data_hex = std::move(tenant.host_data_hex)};
  LOCKET_TRY_ASSIGN(prepared.emulator, FindEmulator(config, pod));
  LOCKET_TRY_ASSIGN(prepared.scratch, MakeScratch(config.scratch_dir, config.scratch_mib));
  const auto use = tenant.allows_network ? NetworkUse::kJoin : NetworkUse::kDescribe;
  LOCKET_TRY(FindNetwork(pod, dependencies, use, prepared));
  LOCKET_TRY_ASSIGN(prepared.cgroup, MakeCgroup(config, pod, dependencies));
  return prepared;
}

VmSpec DescribeVm(const Config& config, const PodSpec& pod, const Prepared& prepared) {
  const bool has_tee = !prepared.emulator.empty();
  std::optional<EmulatorSpec> emulator;
  if (has_tee) {
    emulator = EmulatorSpec{.program = prepared.emulator,
                            .dir = config.tee_emulator_dir,
                            .host_data_hex = prepared.host_data_hex};
  }
  std::string cmdline = BootCmdline(prepared.image, config.kernel_params);
  // Else the guest takes a TEE that is missing for one that was taken away.
  if (!has_tee) cmdline += " locket.tee=none";
  return {.name = pod.id,
          .dir = pod.dir,
          .kernel = prepared.image.kernel,
          .initrd = prepared.image.initrd,
          .cmdline = std::move(cmdline),
          .memory_mib = config.memory_mib,
          .vcpus = config.vcpus,
          .accelerator = prepared.accelerator,
          .emulator = std::move(emulator),
          .initdata = prepared.initdata_disk,
          .scratch = prepared.scratch ? std::optional(prepared.scratch->disk) : std::nullopt,
          .nics = NicsOn(prepared.network, prepared.accelerator),
          .cgroups = prepared.cgroup ? prepared.cgroup->directories()
                                     : std::vector<std::filesystem::path>()};
}

uint64_t VmMemoryMib(const Config& config, const Hypervisor& hypervisor) {
  return uint64_t{config.memory_mib} + hypervisor.overhead_mib();
}

}  // namespace locket::runtime_shim
