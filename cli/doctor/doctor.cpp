#include "cli/doctor/doctor.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/unique_fd.h"
#include "cli/progress.h"
#include "cli/utc_time.h"

namespace locket::cli {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxProcFile = 1U << 20;
constexpr size_t kMaxGuestImageJson = 1U << 20;
constexpr uint64_t kRoomToConvert = 2ULL << 30;  // most images' largest layer needs half of it

fs::path Below(const DoctorHost& host, const fs::path& path) {
  return host.root / path.relative_path();
}

struct Feature {
  std::string name;
  Need need;
  std::string needed_for;
  std::string way_out;
};

Check Present(Feature feature, std::string detail) {
  return {std::move(feature.name),
          feature.need,
          std::move(feature.needed_for),
          true,
          std::move(detail),
          ""};
}
Check Missing(Feature feature, std::string why) {
  return {
      std::move(feature.name),   feature.need, std::move(feature.needed_for), false, std::move(why),
      std::move(feature.way_out)};
}

std::optional<fs::path> FindProgram(const DoctorHost& host, const std::string& name) {
  std::istringstream directories(host.search_path);
  std::string directory;
  while (std::getline(directories, directory, ':')) {
    const fs::path path = fs::path(directory) / name;
    std::error_code error;
    const auto status = fs::status(Below(host, path), error);
    const auto any_x = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
    if (fs::is_regular_file(status) && (status.permissions() & any_x) != fs::perms::none) {
      return path;
    }
  }
  return std::nullopt;
}

Check Program(const DoctorHost& host, const std::string& program, Feature feature) {
  if (auto path = FindProgram(host, program)) return Present(std::move(feature), path->string());
  return Missing(std::move(feature), "no program '" + program + "' in PATH");
}

Check DeviceNode(const DoctorHost& host, const fs::path& path, Feature feature) {
  std::error_code error;
  if (fs::exists(Below(host, path), error)) return Present(std::move(feature), path.string());
  return Missing(std::move(feature), "no " + path.string());
}

Check Kvm(const DoctorHost& host) {
  Feature feature{"kvm", Need::kFeature, "VMs at full speed; without it QEMU emulates (TCG)",
                  "enable virtualization in the firmware, or nested virtualization in the "
                  "hypervisor that runs this host; until then set accelerator = \"tcg\" in the "
                  "shim's configuration"};
  std::error_code error;
  if (!fs::exists(Below(host, "/dev/kvm"), error))
    return Missing(std::move(feature), "no /dev/kvm");
  const auto works = host.probe_kvm();
  if (works.ok()) return Present(std::move(feature), "/dev/kvm runs guests");
  return Missing(std::move(feature), "/dev/kvm exists but " + works.error().message());
}

Status ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalidArgument, "socket path '" + path + "' is too long");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  // Not blocking: a server that hangs has a full queue (EAGAIN). The kernel takes every socket
  // address as a sockaddr.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(fd.get(), generic, sizeof address) != 0) {
    return Error::FromErrno(errno, "connect to '" + path + "'");
  }
  return Ok();
}

Check Cri(const DoctorHost& host) {
  Feature feature{"containerd", Need::kPod, "pods: runs them",
                  "install containerd and start it ('systemctl start containerd'), or set "
                  "LOCKET_CRI_SOCKET to its socket"};
  auto version = host.probe_cri(Below(host, host.cri_socket).string());
  if (version.ok()) return Present(std::move(feature), *version + " at " + host.cri_socket);
  return Missing(std::move(feature), version.error().message());
}

bool TakesSealedLayers(const nlohmann::json& snapshotter) {
  static const std::set<std::string> kOwn{"aufs",  "blockfile", "btrfs",     "devmapper",
                                          "erofs", "native",    "overlayfs", "zfs"};
  return snapshotter.is_string() && !snapshotter.get<std::string>().empty() &&
         !kOwn.contains(snapshotter.get<std::string>());
}

// What CRI's Status says of the section `containerd`; what it does not say is taken for right.
Status CheckCriConfig(const std::string& text) {
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains("containerd") || !config["containerd"].is_object()) {
    return Ok();
  }
  const auto& containerd = config["containerd"];
  if (containerd.value("disableSnapshotAnnotations", nlohmann::json()) == true) {
    return Error(
        ErrorCode::kFailedPrecondition,
        "disable_snapshot_annotations is true, so containerd does not tell the snapshotter "
        "which layer it needs");
  }
  bool has_handler = false;
  bool takes = TakesSealedLayers(containerd.value("snapshotter", nlohmann::json("locket")));
  const auto runtimes = containerd.value("runtimes", nlohmann::json::object());
  for (const auto& [name, runtime] : runtimes.items()) {
    if (!runtime.is_object() ||
        runtime.value("runtimeType", nlohmann::json()) != "io.containerd.locket.v2") {
      continue;
    }
    has_handler = true;
    takes = takes || TakesSealedLayers(runtime.value("snapshotter", nlohmann::json()));
  }
  if (!has_handler) {
    return Error(ErrorCode::kFailedPrecondition, "no runtime is of type io.containerd.locket.v2");
  }
  if (takes) return Ok();
  return Error(
      ErrorCode::kFailedPrecondition,
      "snapshotter is " + containerd["snapshotter"].dump() + ", which cannot take sealed layers");
}

Check CriConfig(const DoctorHost& host) {
  Feature feature{"cri-config", Need::kPod,
                  "sealed images: containerd leaves them to the snapshotter",
                  "merge deploy/containerd.toml into containerd's configuration and restart it"};
  const auto config = host.probe_cri_config(Below(host, host.cri_socket).string());
  if (!config.ok()) return Missing(std::move(feature), config.error().message());
  const Status right = CheckCriConfig(*config);
  if (!right.ok()) return Missing(std::move(feature), right.error().message());
  return Present(std::move(feature), "snapshotter, annotations and runtime are set");
}

// The kubelet asks for the file system below a directory that containerd names by the snapshotter's
// name unless it reads `exports` (from 1.6.32 and 1.7.16 on).
Check ImageSpace(const DoctorHost& host) {
  Feature feature{"image-space", Need::kFeature,
                  "the kubelet: to remove images and evict pods before the disk is full",
                  "start containerd"};
  const auto directories = host.probe_image_space(Below(host, host.cri_socket).string());
  if (!directories.ok()) return Missing(std::move(feature), directories.error().message());
  std::string found;
  for (const std::string& directory : *directories) {
    std::error_code error;
    if (!fs::exists(Below(host, directory), error)) {
      feature.way_out = "ln -s /var/lib/locket-snapshotter '" + directory + "'";
      return Missing(std::move(feature),
                     "containerd tells it to look in '" + directory + "', which does not exist");
    }
    found += (found.empty() ? "" : ", ") + directory;
  }
  return Present(std::move(feature), found.empty() ? "containerd names no directory" : found);
}

Check Snapshotter(const DoctorHost& host) {
  Feature feature{"snapshotter", Need::kPod, "pods: pulls and keeps sealed layers",
                  "start locket-snapshotter, or set LOCKET_SNAPSHOTTER_SOCKET to its socket"};
  const auto connected = ConnectUnix(Below(host, host.snapshotter_socket).string());
  if (connected.ok()) return Present(std::move(feature), host.snapshotter_socket);
  return Missing(std::move(feature), connected.error().message());
}

std::string Describe(const std::vector<FailedConversion>& failures) {
  std::string text;
  for (const FailedConversion& failed : failures) {
    text += (text.empty() ? "'" : "; '") + failed.image + "' at " + UtcTime(failed.failed_ns) +
            ": " + failed.problem;
  }
  return text;
}

Check Conversion(const DoctorHost& host) {
  Feature feature{"conversion", Need::kFeature, "public images that are not sealed",
                  "start locket-snapshotter, in the same version as this program"};
  const auto found = host.probe_conversions(Below(host, host.snapshotter_socket).string());
  if (!found.ok()) return Missing(std::move(feature), found.error().message());
  if (!found->enabled) return Present(std::move(feature), "switched off: convert = false");
  const std::string room = HumanBytes(found->free_bytes) + " left in '" + found->directory + "'";
  if (found->free_bytes < kRoomToConvert) {
    feature.way_out = "remove images, or give the snapshotter's root more space";
    return Missing(std::move(feature), "only " + room + ", where each layer is sealed");
  }
  if (found->failures.empty()) return Present(std::move(feature), "convert = true; " + room);
  feature.way_out =
      "see 'What goes wrong' in docs/snapshotter.md, then pull again; list images that no guest "
      "runs in convert_except";
  return Missing(std::move(feature), Describe(found->failures));
}

Status CheckGuestImage(const fs::path& dir) {
  LOCKET_TRY_ASSIGN(const std::string text, ReadFile(dir / "guest-image.json", kMaxGuestImageJson));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Error(ErrorCode::kDataLoss, "guest-image.json is not JSON");
  for (const char* part : {"kernel", "initrd"}) {
    if (!json.contains(part) || !json[part].is_string()) {
      return Error(ErrorCode::kDataLoss, std::string("guest-image.json does not name the ") + part);
    }
    LOCKET_TRY(OpenFile(dir / json[part].get<std::string>(), 0 /* O_RDONLY */));
  }
  return Ok();
}

Check GuestImage(const DoctorHost& host) {
  Feature feature{"guest-image", Need::kPod, "pods: kernel and agent of the VM",
                  "install locket-node, or build it with scripts/build-guest-image and set "
                  "LOCKET_GUEST_IMAGE_DIR to its directory"};
  const auto usable = CheckGuestImage(Below(host, host.guest_image_dir));
  if (usable.ok()) return Present(std::move(feature), host.guest_image_dir);
  return Missing(std::move(feature), usable.error().message());
}

Check PodNetwork(const DoctorHost& host) {
  Feature feature{"pod-network", Need::kFeature,
                  "pods whose initdata allows a network; other pods have a loopback interface only",
                  "run this as root; modprobe tun sch_ingress cls_u32 act_mirred"};
  const auto works = host.probe_network();
  if (works.ok()) return Present(std::move(feature), "a tap can be joined to another link");
  return Missing(std::move(feature), works.error().message());
}

Check Broker(const DoctorHost& host) {
  Feature feature{"broker", Need::kFeature, "encrypted layers: releases their keys",
                  "start locket-broker and set LOCKET_BROKER_URL"};
  if (!host.broker_url) return Missing(std::move(feature), "LOCKET_BROKER_URL is not set");
  const auto reached = host.probe_broker(*host.broker_url);
  if (reached.ok()) return Present(std::move(feature), *host.broker_url);
  return Missing(std::move(feature), reached.error().message());
}

Check FileSystem(const DoctorHost& host, const std::string& type, const std::string& needed_for) {
  Feature feature{type, Need::kFeature, needed_for, "modprobe " + type};
  const auto listed = ReadFile(Below(host, "/proc/filesystems"), kMaxProcFile);
  if (!listed.ok()) return Missing(std::move(feature), listed.error().message());
  std::istringstream words(*listed);
  for (std::string word; words >> word;) {
    if (word == type) return Present(std::move(feature), "in /proc/filesystems");
  }
  return Missing(std::move(feature), "not in /proc/filesystems");
}

Check Tdx(const DoctorHost& host) {
  Feature feature{
      "tdx", Need::kFeature, "Intel TDX as TEE",
      "use a TDX processor, with firmware set up for it and a kernel with kvm_intel.tdx=1"};
  const fs::path path = "/sys/module/kvm_intel/parameters/tdx";
  const auto value = ReadFile(Below(host, path), kMaxProcFile);
  if (!value.ok()) return Missing(std::move(feature), "no " + path.string());
  if (value->starts_with("Y") || value->starts_with("1")) {
    return Present(std::move(feature), path.string() + " says yes");
  }
  return Missing(std::move(feature), path.string() + " says no");
}

const char* Word(const Check& check) {
  if (check.ok) return "ok";
  return check.need == Need::kPod ? "MISSING" : "missing";
}

}  // namespace

std::vector<Check> Examine(const DoctorHost& host) {
  std::vector<Check> checks;
  checks.push_back(Program(host, "qemu-system-x86_64",
                           {"qemu", Need::kPod, "pods: runs the VM", "install qemu-system-x86"}));
  checks.push_back(Program(host, "containerd-shim-locket-v2",
                           {"shim", Need::kPod, "pods: containerd starts it for each pod",
                            "put containerd-shim-locket-v2 into containerd's PATH"}));
  checks.push_back(GuestImage(host));
  checks.push_back(Cri(host));
  checks.push_back(CriConfig(host));
  checks.push_back(ImageSpace(host));
  checks.push_back(Snapshotter(host));
  checks.push_back(Conversion(host));
  checks.push_back(Kvm(host));
  checks.push_back(PodNetwork(host));
  checks.push_back(Broker(host));
  checks.push_back(DeviceNode(host, "/dev/sev",
                              {"sev-snp", Need::kFeature, "AMD SEV-SNP as TEE",
                               "use an SNP processor, with firmware and kernel set up for it"}));
  checks.push_back(Tdx(host));
  checks.push_back(
      DeviceNode(host, "/dev/vhost-vsock",
                 {"vhost-vsock", Need::kFeature,
                  "talking to the agent over vsock; a virtio-serial port is used instead",
                  "modprobe vhost_vsock"}));
  checks.push_back(FileSystem(host, "overlay", "containers that do not run in a VM"));
  checks.push_back(
      FileSystem(host, "erofs", "mounting a verify-only layer on the host, to look at it"));
  checks.push_back(
      DeviceNode(host, "/dev/loop-control",
                 {"loop", Need::kFeature, "mounting the file of a layer on the host, to look at it",
                  "modprobe loop"}));
  checks.push_back(DeviceNode(
      host, "/dev/mapper/control",
      {"device-mapper", Need::kFeature,
       "opening layers on the host, to look at them; the guest has its own", "modprobe dm_mod"}));
  checks.push_back(
      Program(host, "skopeo",
              {"skopeo", Need::kFeature, "copying images between registries", "install skopeo"}));
  checks.push_back(
      Program(host, "umoci", {"umoci", Need::kFeature, "making test images", "install umoci"}));
  return checks;
}

bool CanRunPods(const std::vector<Check>& checks) {
  return std::all_of(checks.begin(), checks.end(),
                     [](const Check& check) { return check.ok || check.need != Need::kPod; });
}

void PrintChecks(const std::vector<Check>& checks, std::ostream& out) {
  for (const Check& check : checks) {
    std::string word = Word(check);
    word.resize(9, ' ');
    std::string name = check.name;
    name.resize(std::max<size_t>(name.size() + 1, 15), ' ');
    out << word << name << check.detail << "\n";
    if (check.ok) continue;
    out << std::string(24, ' ') << "needed for: " << check.needed_for << "\n";
    out << std::string(24, ' ') << "what to do: " << check.way_out << "\n";
  }
  out << (CanRunPods(checks) ? "A pod can run here.\n"
                             : "No pod can run here until everything marked MISSING is there.\n");
}

std::vector<Fix> RunFixes(const DoctorFixes& fixes) {
  std::vector<Fix> done;
  const auto repaired = fixes.repair_snapshots();
  Fix snapshots{.name = "snapshots", .ok = repaired.ok(), .detail = {}};
  if (repaired.ok()) {
    snapshots.ok = repaired->second.empty();
    snapshots.detail = std::to_string(repaired->first) + " healed" +
                       (snapshots.ok ? "" : "; not healed: " + repaired->second);
  } else {
    snapshots.detail = repaired.error().message();
  }
  done.push_back(std::move(snapshots));
  const Status collected = fixes.collect_garbage();
  done.push_back({.name = "garbage",
                  .ok = collected.ok(),
                  .detail = collected.ok() ? "containerd removes snapshots that it does not know"
                                           : collected.error().message()});
  return done;
}

void PrintFixes(const std::vector<Fix>& fixes, std::ostream& out) {
  for (const Fix& fix : fixes) {
    std::string name = fix.name;
    name.resize(std::max<size_t>(name.size() + 1, 15), ' ');
    out << (fix.ok ? "fixed     " : "NOT FIXED ") << name << fix.detail << "\n";
  }
}

std::string ChecksAsJson(const std::vector<Check>& checks, const std::vector<Fix>& fixes) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Check& check : checks) {
    list.push_back({{"name", check.name},
                    {"ok", check.ok},
                    {"required", check.need == Need::kPod},
                    {"needed_for", check.needed_for},
                    {"detail", check.detail},
                    {"way_out", check.way_out}});
  }
  nlohmann::ordered_json all = {{"can_run_pods", CanRunPods(checks)}, {"checks", list}};
  for (const Fix& fix : fixes) {
    all["fixes"].push_back({{"name", fix.name}, {"ok", fix.ok}, {"detail", fix.detail}});
  }
  return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace locket::cli
