// What this host lacks, feature by feature.
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
  kPod,      // without it no pod runs
  kFeature,  // without it something is slower or missing, as `needed_for` says
};

struct Check {
  std::string name;
  Need need;
  std::string needed_for;
  bool ok;
  std::string detail;   // what was found, or why it is missing
  std::string way_out;  // empty when ok

  bool operator==(const Check&) const = default;
};

// The host as the checks see it. Files are looked up below `root`; everything that runs or
// connects is a function, so that a test can play any host.
struct DoctorHost {
  std::filesystem::path root = "/";
  std::string search_path;  // PATH
  std::string cri_socket;   // of containerd
  std::string snapshotter_socket;
  std::string guest_image_dir;
  std::optional<std::string> broker_url{};
  // Runs one instruction in a virtual machine, and QEMU up to where it would start one.
  std::function<Status()> probe_kvm;
  // Connects and asks for the version: "containerd 1.6.20".
  std::function<Result<std::string>(const std::string& socket)> probe_cri;
  // Asks for the configuration of its CRI plugin, as JSON.
  std::function<Result<std::string>(const std::string& socket)> probe_cri_config;
  // Asks where images take space.
  std::function<Result<std::vector<std::string>>(const std::string& socket)> probe_image_space;
  // Asks the snapshotter what became of images to convert.
  std::function<Result<Conversions>(const std::string& socket)> probe_conversions;
  // Joins a tap to another link in a network namespace made for it.
  std::function<Status()> probe_network;
  // A TCP connection to the broker's address.
  std::function<Status(const std::string& url)> probe_broker;
};

std::vector<Check> Examine(const DoctorHost& host);

// Can a pod run?
bool CanRunPods(const std::vector<Check>& checks);

// Something that `--fix` put right, or could not.
struct Fix {
  std::string name;
  bool ok;
  std::string detail;

  bool operator==(const Fix&) const = default;
};

// What can be put right without asking: what the snapshotter has lost, and what it has that
// containerd no longer knows.
struct DoctorFixes {
  // The number of snapshots healed; those that could not be, one a line.
  std::function<Result<std::pair<uint64_t, std::string>>()> repair_snapshots;
  std::function<Status()> collect_garbage;  // containerd's
};

std::vector<Fix> RunFixes(const DoctorFixes& fixes);

void PrintChecks(const std::vector<Check>& checks, std::ostream& out);
void PrintFixes(const std::vector<Fix>& fixes, std::ostream& out);
// `fixes` are in it if there are any.
std::string ChecksAsJson(const std::vector<Check>& checks, const std::vector<Fix>& fixes = {});

// Whether the kernel really runs a guest: /dev/kvm alone does not prove it (nested, seccomp'ed or
// broken KVM). A child process makes a VM with one page, runs `hlt`, and is killed after `timeout`.
Status ProbeKvm(const std::filesystem::path& device, std::chrono::milliseconds timeout);

// Whether QEMU gets a virtual CPU ready under KVM: it asks for more than an instruction, and some
// hosts (nested ones above all) refuse that.
Status ProbeQemuKvm(const std::string& qemu, std::chrono::milliseconds timeout);

// Does what joins a VM to a pod's network, in a namespace of its own: needs root, the tun device
// and the kernel's traffic filters.
Status ProbePodNetwork();

// A TCP connection to host and port of an http or https URL, within `timeout`.
Status ProbeTcp(const std::string& url, std::chrono::milliseconds timeout);

}  // namespace locket::cli
