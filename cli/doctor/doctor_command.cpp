#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/cache/cache_client.h"
#include "cli/commands.h"
#include "cli/doctor/collect_garbage.h"
#include "cli/doctor/doctor.h"
#include "cli/pod/cri_client.h"

namespace locket::cli {
namespace {

constexpr std::chrono::seconds kProbeTimeout{5};
constexpr std::chrono::seconds kFixTimeout{60};

struct Options {
  std::string guest_image_dir;
  std::string cri_socket;
  std::string snapshotter_socket;
  std::string broker_url;
  bool json = false;
  bool fix = false;
};

Options Defaults(const Context& context) {
  const auto& env = context.environment;
  return {
      .guest_image_dir = env("LOCKET_GUEST_IMAGE_DIR").value_or("/usr/lib/locket/guest-image"),
      .cri_socket = env("LOCKET_CRI_SOCKET").value_or(std::string(kDefaultCriSocket)),
      .snapshotter_socket =
          env("LOCKET_SNAPSHOTTER_SOCKET").value_or(std::string(kDefaultSnapshotterSocket)),
      .broker_url = env("LOCKET_BROKER_URL").value_or(""),
  };
}

DoctorHost RealHost(const Options& options, const Context& context) {
  DoctorHost host{
      .search_path = context.environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin"),
      .cri_socket = options.cri_socket,
      .snapshotter_socket = options.snapshotter_socket,
      .guest_image_dir = options.guest_image_dir,
      .probe_kvm = []() -> Status {
        LOCKET_TRY(ProbeKvm("/dev/kvm", kProbeTimeout));
        auto qemu = ProbeQemuKvm("qemu-system-x86_64", kProbeTimeout);
        // Without QEMU there is a line of its own that says so.
        if (!qemu.ok() && qemu.error().code() == ErrorCode::kNotFound) return Ok();
        return qemu;
      },
      .probe_cri = [](const std::string& socket) -> Result<std::string> {
        return CriClient(socket, /*interrupt_fd=*/-1).Version(kProbeTimeout);
      },
      .probe_cri_config = [](const std::string& socket) -> Result<std::string> {
        return CriClient(socket, /*interrupt_fd=*/-1).Config(kProbeTimeout);
      },
      .probe_image_space = [](const std::string& socket) -> Result<std::vector<std::string>> {
        return CriClient(socket, /*interrupt_fd=*/-1).ImageDirectories(kProbeTimeout);
      },
      .probe_conversions = [](const std::string& socket) -> Result<Conversions> {
        return CacheClient(socket).GetConversions(kProbeTimeout);
      },
      .probe_network = ProbePodNetwork,
      .probe_broker = [](const std::string& url) { return ProbeTcp(url, kProbeTimeout); },
  };
  if (!options.broker_url.empty()) host.broker_url = options.broker_url;
  return host;
}

DoctorFixes RealFixes(const Options& options) {
  return {
      .repair_snapshots = [&options]() -> Result<std::pair<uint64_t, std::string>> {
        LOCKET_TRY_ASSIGN(const Repaired repaired,
                          CacheClient(options.snapshotter_socket).Repair());
        std::string not_healed;
        for (const std::string& problem : repaired.not_healed) {
          not_healed += (not_healed.empty() ? "" : "\n") + problem;
        }
        return std::pair(repaired.num_healed, not_healed);
      },
      .collect_garbage = [&options] { return CollectGarbage(options.cri_socket, kFixTimeout); },
  };
}

void AddPlaces(CLI::App& doctor, Options& options) {
  doctor
      .add_option("--guest-image-dir", options.guest_image_dir,
                  "Directory of the guest image (environment variable: LOCKET_GUEST_IMAGE_DIR)")
      ->type_name("DIR")
      ->capture_default_str();
  doctor
      .add_option("--socket", options.cri_socket,
                  "containerd's socket (environment variable: LOCKET_CRI_SOCKET)")
      ->type_name("PATH")
      ->capture_default_str();
  doctor
      .add_option("--snapshotter-socket", options.snapshotter_socket,
                  "Socket of locket-snapshotter (environment variable: LOCKET_SNAPSHOTTER_SOCKET)")
      ->type_name("PATH")
      ->capture_default_str();
  doctor
      .add_option("--broker-url", options.broker_url,
                  "Key broker to connect to, https://HOST[:PORT] (default: the environment "
                  "variable LOCKET_BROKER_URL)")
      ->type_name("URL");
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* doctor =
      app.add_subcommand("doctor", "Show what this host has and lacks, feature by feature");
  doctor->footer(
      "MISSING marks what no pod can run without, missing what makes pods slower or lacks for one "
      "feature. Exits 0 if a pod can run here and --fix, if given, fixed everything. Exits 1 if "
      "not.\n\n"
      "Examples:\n"
      "  locket doctor\n"
      "  locket doctor --json | jq '.checks[] | select(.ok | not)'");
  auto options = std::make_shared<Options>(Defaults(context));
  AddPlaces(*doctor, *options);
  doctor->add_flag("--fix", options->fix,
                   "First let the snapshotter download blobs and make directories that it has "
                   "lost, and let containerd remove snapshots that it has forgotten");
  doctor->add_flag("--json", options->json, "Print JSON");
  doctor->callback([&context, &selected, options] {
    selected.run = [&context, options]() -> Result<int> {
      const auto fixes = options->fix ? RunFixes(RealFixes(*options)) : std::vector<Fix>();
      const auto checks = Examine(RealHost(*options, context));
      if (options->json) {
        context.out << ChecksAsJson(checks, fixes);
      } else {
        PrintFixes(fixes, context.out);
        PrintChecks(checks, context.out);
      }
      const bool fixed = std::ranges::all_of(fixes, &Fix::ok);
      return CanRunPods(checks) && fixed ? 0 : 1;
    };
  });
}

}  // namespace locket::cli
