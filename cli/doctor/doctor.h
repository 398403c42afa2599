// What this host has and lacks, feature by feature: the checks of `locket doctor`, and the repairs
// of `locket doctor --fix`.
//
// Each feature is one Check. Examine() makes all of them from a DoctorHost, which in the program is
// the real host and in a test any host that the test needs. Nothing here changes the host, except
// RunFixes().
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cache/cache_client.h"

namespace locket::cli {

enum class Need {
  kPod,      // no pod runs without it
  kFeature,  // something is slower or not possible without it; `needed_for` says what
};

struct Check {
  std::string name;  // one word, stable: scripts select by it
  Need need;
  std::string needed_for;
  bool ok;
  std::string detail;   // what was found, or why it counts as missing
  std::string way_out;  // what the operator can do; empty if `ok`

  bool operator==(const Check&) const = default;
};

// The host as the checks see it. Files are looked up below `root`; everything that runs or
// connects is a function, so that a test can play any host.
struct DoctorHost {
  std::filesystem::path root = "/";
  std::string search_path;  // as PATH
  std::string cri_socket;   // containerd's
  std::string snapshotter_socket;
  std::string guest_image_dir;
  std::optional<std::string> broker_url{};
  // ProbeKvm and ProbeQemuKvm. The error continues "/dev/kvm exists but ".
  std::function<Status()> probe_kvm;
  // Returns containerd's name and version: "containerd 1.6.20".
  std::function<Result<std::string>(const std::string& socket)> probe_cri;
  // Returns the configuration of containerd's CRI plugin as JSON.
  std::function<Result<std::string>(const std::string& socket)> probe_cri_config;
  // Returns the directories in which containerd says that images take space.
  std::function<Result<std::vector<std::string>>(const std::string& socket)> probe_image_space;
  // Returns how the snapshotter's conversion is configured and what failed.
  std::function<Result<Conversions>(const std::string& socket)> probe_conversions;
  // ProbePodNetwork.
  std::function<Status()> probe_network;
  // ProbeTcp.
  std::function<Status(const std::string& url)> probe_broker;
};

// Returns one Check for each feature, those that pods need first.
std::vector<Check> Examine(const DoctorHost& host);

// Returns whether everything that a pod needs is there.
bool CanRunPods(const std::vector<Check>& checks);

// The outcome of one repair.
struct Fix {
  std::string name;
  bool ok;
  std::string detail;  // what was repaired, and what could not be

  bool operator==(const Fix&) const = default;
};

// The repairs that cannot do harm: what the snapshotter has lost comes back, and what it has but
// containerd no longer knows goes.
struct DoctorFixes {
  // Returns the number of snapshots healed, and one line for each that could not be.
  std::function<Result<std::pair<uint64_t, std::string>>()> repair_snapshots;
  std::function<Status()> collect_garbage;  // CollectGarbage
};

// Does all repairs, also after one has failed, and returns their outcomes.
std::vector<Fix> RunFixes(const DoctorFixes& fixes);

void PrintChecks(const std::vector<Check>& checks, std::ostream& out);
void PrintFixes(const std::vector<Fix>& fixes, std::ostream& out);
// Returns the document of `locket doctor --json`; it has `fixes` only if there are any.
std::string ChecksAsJson(const std::vector<Check>& checks, const std::vector<Fix>& fixes = {});

// Proves that the kernel runs a guest. That /dev/kvm exists does not: KVM can be nested, filtered
// by seccomp, or broken. A child process makes a VM with one page and runs the instruction `hlt`.
// kDeadlineExceeded: it took longer than `timeout` and was killed. kFailedPrecondition: the step
// that failed. The messages continue "/dev/kvm exists but ".
Status ProbeKvm(const std::filesystem::path& device, std::chrono::milliseconds timeout);

// Proves that QEMU can set up a virtual CPU under KVM. It needs more of KVM than ProbeKvm does, and
// some hosts refuse that, nested ones above all. kNotFound: there is no program `qemu`.
// kFailedPrecondition: QEMU's own message.
Status ProbeQemuKvm(const std::string& qemu, std::chrono::milliseconds timeout);

// Joins a tap to another link as the shim does for a pod's network, in a network namespace that is
// gone afterwards. Needs root, the tun device and the kernel's traffic control (sch_ingress,
// cls_u32, act_mirred).
Status ProbePodNetwork();

// Connects to host and port of an http or https URL over TCP, and closes the connection. `timeout`
// is for each address that the host's name has. kInvalidArgument: not such a URL.
Status ProbeTcp(const std::string& url, std::chrono::milliseconds timeout);

}  // namespace locket::cli
