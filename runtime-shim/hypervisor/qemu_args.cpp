#include "runtime-shim/hypervisor/qemu_args.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "runtime-shim/hypervisor/process_record.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;

// Linux looks for virtio-scsi targets 0 to 254 (VIRTIO_SCSI max_target, reported by QEMU as 255).
constexpr uint32_t kTargets = 255;
static_assert((kMaxDisks - 1) / kTargets < 256);
constexpr size_t kLongestSocketName = 12;  // console.sock

void Append(std::vector<std::string>& to, std::initializer_list<std::string> more) {
  to.insert(to.end(), more);
}

// In QEMU's option syntax a comma ends a value; doubled, it is one.
std::string Escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    out += c;
    if (c == ',') out += c;
  }
  return out;
}

std::string SocketChardev(const VmSpec& spec, std::string_view id, std::string_view socket,
                          std::string_view role) {
  return "socket,id=" + std::string(id) + ",path=" + Escaped((spec.dir / socket).string()) + "," +
         std::string(role);
}

void AddPort(std::vector<std::string>& args, const VmSpec& spec, std::string_view id,
             std::string_view socket, std::string_view role) {
  Append(args, {"-chardev", SocketChardev(spec, id, socket, role), "-device",
                "virtserialport,bus=ports.0,chardev=" + std::string(id) + ",id=port-" +
                    std::string(id) + ",name=dev.locket." + std::string(id)});
}

// Without a boot ROM: no guest boots from the network, and a ROM would be code from the host.
void AddNic(std::vector<std::string>& args, const NicSpec& nic, size_t number) {
  const std::string id = "net" + std::to_string(number);
  Append(args, {"-netdev",
                "tap,id=" + id + ",fd=" + std::to_string(nic.tap_fd) +
                    ",vhost=" + (nic.vhost ? "on" : "off"),
                "-device",
                "virtio-net-pci,id=nic-" + id + ",netdev=" + id + ",mac=" + nic.mac + ",romfile="});
}

void AddMachine(std::vector<std::string>& args, const VmSpec& spec) {
  const bool kvm = spec.accelerator == Accelerator::kKvm;
  const std::string tcg = "tcg,thread=multi,tb-size=" + std::to_string(kTranslationsMib);
  Append(args, {"-name", "locket-" + spec.name, "-machine", "q35", "-accel", kvm ? "kvm" : tcg,
                "-cpu", kvm ? "host" : "max", "-m", std::to_string(spec.memory_mib) + "M", "-smp",
                std::to_string(spec.vcpus)});
  // No default network device, no display, no default disk: the guest gets what is listed and no
  // more. A guest that panics or reboots ends QEMU. -S: nothing runs until somebody listens.
  Append(args, {"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-nic",
                "none", "-no-reboot", "-S", "-sandbox",
                "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});
  Append(args, {"-pidfile", (spec.dir / kPidFile).string()});
  Append(args, {"-kernel", spec.kernel.string(), "-initrd", spec.initrd.string(), "-append",
                spec.cmdline});
}

void AddDisk(std::vector<std::string>& args, const std::optional<DiskSpec>& disk, uint32_t index) {
  if (!disk) return;
  Append(args,
         {"-blockdev", BlockdevJson(*disk), "-device", ScsiDiskJson(*disk, DiskAddress(index))});
}

Status CheckPaths(const VmSpec& spec) {
  const size_t longest = spec.dir.string().size() + 1 + kLongestSocketName;
  if (longest >= sizeof(sockaddr_un{}.sun_path)) {
    return Error(ErrorCode::kInvalidArgument, "state directory '" + spec.dir.string() +
                                                  "' is too long for unix sockets: shorten "
                                                  "state_dir in the shim's configuration");
  }
  return Ok();
}

bool IsPlain(const std::string& text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

Status CheckDisk(const DiskSpec& disk) {
  const auto bad = [](const std::string& what, const std::string& why) {
    return Error(ErrorCode::kInvalidArgument, what + " " + why);
  };
  const bool begins = !disk.id.empty() && disk.id[0] >= 'a' && disk.id[0] <= 'z';
  if (!begins || !IsPlain(disk.id) || disk.id.size() > kMaxDiskId) {
    return bad("disk '" + disk.id + "'", "does not have an id that QEMU takes");
  }
  if (disk.serial.empty() || !IsPlain(disk.serial) || disk.serial.size() > kMaxDiskSerial) {
    return bad("serial '" + disk.serial + "' of disk '" + disk.id + "'",
               "is not one that QEMU takes whole");
  }
  return Ok();
}

Result<std::vector<std::string>> QemuArgs(const std::filesystem::path& qemu, const VmSpec& spec) {
  LOCKET_TRY(CheckPaths(spec));
  for (const auto& disk : {spec.initdata, spec.scratch}) {
    if (disk) LOCKET_TRY(CheckDisk(*disk));
  }
  std::vector<std::string> args{qemu.string()};
  AddMachine(args, spec);
  constexpr std::string_view kServer = "server=on,wait=off";
  Append(args, {"-chardev", SocketChardev(spec, "qmp", kQmpSocket, kServer), "-mon",
                "chardev=qmp,mode=control"});
  Append(args, {"-chardev", SocketChardev(spec, "console", kConsoleSocket, kServer), "-serial",
                "chardev:console"});
  Append(args, {"-device", "virtio-serial-pci,id=ports"});
  AddPort(args, spec, "agent", kAgentSocket, kServer);
  AddPort(args, spec, "relay", kRelaySocket, kServer);
  if (spec.emulator) AddPort(args, spec, "tee", kTeeSocket, "server=off");
  Append(args, {"-device", "virtio-scsi-pci,id=scsi"});
  AddDisk(args, spec.initdata, kInitdataIndex);
  AddDisk(args, spec.scratch, kScratchIndex);
  for (size_t i = 0; i < spec.nics.size(); ++i) AddNic(args, spec.nics[i], i);
  return args;
}

Result<std::vector<std::string>> LaunchArgs(const std::filesystem::path& qemu, const VmSpec& spec) {
  LOCKET_TRY_ASSIGN(auto inner, QemuArgs(qemu, spec));
  if (!spec.emulator) return inner;
  std::vector<std::string> args{spec.emulator->program.string(),
                                "launch",
                                "--dir",
                                spec.emulator->dir.string(),
                                "--socket",
                                (spec.dir / kTeeSocket).string(),
                                "--host-data",
                                spec.emulator->host_data_hex,
                                "--"};
  args.insert(args.end(), inner.begin(), inner.end());
  return args;
}

ScsiAddress DiskAddress(uint32_t index) {
  return {.target = index % kTargets, .lun = index / kTargets};
}

std::string BlockdevJson(const DiskSpec& disk) {
  return json{{"driver", "file"},
              {"node-name", disk.id},
              {"filename", disk.path.string()},
              {"read-only", !disk.writable},
              {"auto-read-only", false},
              {"cache", {{"direct", disk.direct_io}, {"no-flush", disk.writable}}}}
      .dump();
}

std::string ScsiDiskJson(const DiskSpec& disk, ScsiAddress address) {
  // Every error is reported to the guest, which goes on. QEMU's default is to stop the VM when a
  // write finds the host's disk full.
  return json{{"driver", "scsi-hd"}, {"id", "disk-" + disk.id},   {"bus", "scsi.0"},
              {"channel", 0},        {"scsi-id", address.target}, {"lun", address.lun},
              {"drive", disk.id},    {"serial", disk.serial},     {"rerror", "report"},
              {"werror", "report"}}
      .dump();
}

}  // namespace locket::runtime_shim
