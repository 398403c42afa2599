#include "guest-agent/agent.h"

#include <unistd.h>

#include <optional>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "device/kernel_dm_control.h"
#include "device/kernel_mount_control.h"
#include "device/kernel_network_control.h"
#include "device/sysfs_block_devices.h"
#include "guest-agent/broker/broker_link.h"
#include "guest-agent/broker/virtio_ports.h"
#include "guest-agent/clock_follower.h"
#include "guest-agent/hardening/device_guard.h"
#include "guest-agent/module_list.h"
#include "guest-agent/network/network.h"
#include "guest-agent/pod/agent_service.h"
#include "guest-agent/policy/guest_initdata.h"
#include "guest-agent/process/crun_runtime.h"
#include "guest-mounter/image_opener.h"
#include "guest-mounter/make_ext4.h"
#include "rpc/transport.h"
#include "rpc/virtio_stream.h"

namespace locket::guest_agent {
namespace {

constexpr char kLayerDirectory[] = "/run/locket/layers";
constexpr char kScratchDirectory[] = "/run/locket/scratch";
constexpr char kVolumeDirectory[] = "/run/locket/volumes";
constexpr char kContainerDirectory[] = "/run/locket/containers";
constexpr char kContainerCgroup[] = "/sys/fs/cgroup/locket";  // all containers' are below it
constexpr size_t kMaxCommandLineBytes = 64 * 1024;
constexpr unsigned kShutdownSeconds = 30;
constexpr uint32_t kVsockPort = 1024;
constexpr auto kPortNamesTimeout = std::chrono::seconds(5);
// The boot's own disks are there once the modules are loaded (scsi_mod.scan=sync): a margin only.
constexpr auto kInitdataTimeout = std::chrono::milliseconds(500);

// The kernel as the mounter sees it.
struct Devices {
  std::unique_ptr<device::DmControl> dm;
  device::KernelMountControl mounts;
  std::unique_ptr<device::BlockDevices> disks;
  SystemClock clock;

  guest_mounter::Seams seams() {
    return {.dm = *dm, .mounts = mounts, .disks = *disks, .clock = clock};
  }
};

// The tenant's word and what follows from it. Member order is teardown order, reversed.
struct Tenant {
  std::optional<GuestInitdata> initdata;
  std::optional<Error> refusal;  // why no image is opened here
  std::unique_ptr<Relay> relay;
  std::unique_ptr<attest::KbsClient> broker;
  std::unique_ptr<guest_mounter::ImageOpener> opener;
};

// What the launch binds initdata to; nothing where it may lack a TEE and does.
Result<HostData> LaunchedWith(GuestTee& tee) {
  if (tee.name != "none") {
    LOCKET_TRY_ASSIGN(const auto host_data, tee.evidence->OwnHostData().While("own report"));
    return HostData(host_data);
  }
  LOCKET_TRY_ASSIGN(const auto command_line, ReadFile("/proc/cmdline", kMaxCommandLineBytes));
  if (!MayLackTee(command_line)) {
    return Error(ErrorCode::kPermissionDenied,
                 "this guest finds no TEE, and its kernel command line does not say "
                 "locket.tee=none: the shim says it with tee = \"none\"");
  }
  log::Warning("no TEE: nothing binds initdata to this launch");
  return HostData();
}

Status SetUpBroker(Tenant& tenant, GuestTee& tee) {
  if (!tenant.initdata->policy.broker) return Ok();
  LOCKET_TRY_ASSIGN(auto port, OpenPortIfPresent(kRelayPort));
  if (!port) {
    log::Warning("no relay port: encrypted layers cannot be opened");
    return Ok();
  }
  tenant.relay = Relay::Create(std::move(*port));
  LOCKET_TRY_ASSIGN(tenant.broker,
                    ConnectBroker(*tenant.initdata, *tee.evidence, *tenant.relay).While("broker"));
  return Ok();
}

Status SetUpTenant(Tenant& tenant, GuestTee& tee, Devices& devices) {
  LOCKET_TRY_ASSIGN(const auto host_data, LaunchedWith(tee));
  LOCKET_TRY_ASSIGN(tenant.initdata,
                    ReadInitdataDisk(*devices.disks, devices.clock, kInitdataTimeout, host_data));
  if (!tenant.initdata) {
    return Error(ErrorCode::kFailedPrecondition,
                 "no initdata: a guest without a tenant's policy opens no image; pass some with "
                 "the pod annotation io.katacontainers.config.hypervisor.cc_init_data");
  }
  LOCKET_TRY(SetUpBroker(tenant, tee));
  tenant.opener = std::make_unique<guest_mounter::ImageOpener>(
      devices.seams(), tenant.initdata->policy, tenant.broker.get(),
      guest_mounter::OpenerOptions{.directory = kLayerDirectory});
  return Ok();
}

Tenant MakeTenant(GuestTee& tee, Devices& devices) {
  Tenant tenant;
  // Not the guest's end: the shim is told why when it asks for an image.
  if (Status ready = SetUpTenant(tenant, tee, devices); !ready.ok()) {
    log::Error("no image will be opened", {log::Field(ready.error())});
    tenant.refusal = std::move(ready).error();
  }
  return tenant;
}

Result<std::unique_ptr<guest_mounter::Scratch>> OpenScratch(Devices& devices) {
  LOCKET_TRY(LoadModules(kScratchModules).While("scratch"));
  return guest_mounter::Scratch::Open(devices.seams(), guest_mounter::MakeExt4,
                                      {.directory = kScratchDirectory});
}

// Empty: the tenant lets the pod have no network.
NetworkSetup NetworkSetupOf(const Tenant& tenant) {
  if (!tenant.initdata || !tenant.initdata->policy.allow_network) return {};
  return [](const GuestNetwork& network) -> Status {
    LOCKET_TRY(LoadModules(kNetworkModules));
    LOCKET_TRY_ASSIGN(const auto control, device::OpenKernelNetworkControl());
    return ApplyNetwork(network, *control, SetNetworkParameter);
  };
}

// Over the virtio port if this machine has it, else over vsock. Returns once the server stops.
Status Serve(rpc::TtrpcServer& server) {
  Status served = rpc::ServeVirtioPort(server, kAgentPort, std::chrono::milliseconds(0));
  if (served.ok() || served.error().code() != ErrorCode::kNotFound) return served;
  // With the driver this kernel has AF_VSOCK; the seccomp profile keeps containers from it.
  LOCKET_TRY(LoadModules(kVsockModules).While("no port '" + std::string(kAgentPort) + "'"));
  LOCKET_TRY_ASSIGN(const UniqueFd listener, rpc::ListenVsock(kVsockPort));
  return server.AcceptLoop(listener.get());
}

Status RunAgentOrFail(UniqueFd exit_records) {
  ExitNotices exits(std::move(exit_records));
  LOCKET_TRY(GuardDevices(kContainerCgroup));
  const ClockFollower clock(KernelClocks());
  Devices devices;
  LOCKET_TRY_ASSIGN(devices.dm, device::OpenKernelDmControl());
  LOCKET_TRY_ASSIGN(devices.disks, device::SysfsBlockDevices::Open());
  AwaitPortNames(kPortNamesTimeout);
  LOCKET_TRY_ASSIGN(GuestTee tee, FindTee());
  const Tenant tenant = MakeTenant(tee, devices);
  CrunRuntime runtime{CrunPaths{}};
  EmptyVolumes volumes(devices.mounts, kVolumeDirectory);
  Sandbox sandbox({.runtime = runtime, .exits = exits, .volumes = volumes},
                  [&tenant](const guest_mounter::OpenRequest& request)
                      -> Result<std::unique_ptr<guest_mounter::OpenImage>> {
                    if (tenant.refusal) return *tenant.refusal;
                    return tenant.opener->Open(request);
                  },
                  {.directory = kContainerDirectory,
                   .policy = tenant.initdata ? tenant.initdata->policy : initdata::GuestPolicy(),
                   .set_up_network = NetworkSetupOf(tenant),
                   .scratch = [&devices] { return OpenScratch(devices); }});

  rpc::TtrpcMethods methods;
  std::unique_ptr<rpc::TtrpcServer> server;
  const std::function<void()> shutdown = [&server] { server->Stop(); };
  AddAgentMethods(methods, sandbox, shutdown);
  server = rpc::TtrpcServer::Create(methods);
  log::Info("agent is up", {{"version", kVersion},
                            {"tee", tee.name},
                            {"initdata", tenant.initdata ? tenant.initdata->digest : ""}});
  LOCKET_TRY(Serve(*server));
  // If a disk of the host stops the work below, SIGALRM ends this process, and the guest with it.
  ::alarm(kShutdownSeconds);
  server.reset();  // waits for the handlers
  sandbox.DeleteAll();
  // PID 1 powers off when this process ends, whatever its threads wait for.
  ::_exit(0);
}

}  // namespace

int RunAgent(UniqueFd exit_records) {
  const Status done = RunAgentOrFail(std::move(exit_records));
  log::Error("agent failed", {log::Field(done.error())});
  return 1;
}

}  // namespace locket::guest_agent
