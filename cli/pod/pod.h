// One-container pods over CRI.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/context.h"
#include "cli/pod/cri_client.h"

namespace locket::cli {

struct RunPodRequest {
  std::string image;
  std::string name;  // empty: a random one
  std::string runtime_handler = "locket";
  std::map<std::string, std::string> annotations{};
  std::vector<std::string> command{};        // empty: the image's own
  std::filesystem::path log_dir;             // made if absent
  std::vector<std::string> empty_volumes{};  // paths in the container
  int64_t memory_limit_mib = 0;              // 0: none
  std::string cgroup_parent{};               // the pod's cgroup on the host; empty: none
  bool network = false;                      // from CNI, if the initdata allows it
  bool detach = false;
  bool remove = false;                // once it has ended
  std::chrono::seconds timeout{300};  // for each step until the container runs
};

// Lower-case letters, digits and inner dashes, at most 63.
Status CheckPodName(std::string_view name);

// Runs the pod. Detached: prints its name and answers 0 once the container runs. Attached: copies
// its output and answers the container's exit code; the VM has ended by then. Once `interrupt_fd`
// is readable: stops the pod, answers 130. A stopped pod of the same name makes room, a running one
// is kAlreadyExists. On failure the error names the step, and no sandbox is left.
Result<int> RunPod(CriClient& cri, const RunPodRequest& request, int interrupt_fd,
                   Context& context);

// Copies the log of a pod given by name or by (a unique beginning of) its id; with `follow` until
// its container has ended or `interrupt_fd` is readable.
Status PrintPodLog(CriClient& cri, const std::string& pod, bool follow, int interrupt_fd,
                   Context& context);

struct ExecRequest {
  std::string pod;  // name, or a beginning of its id
  std::vector<std::string> command;
  std::chrono::seconds limit{0};  // until it is killed; 0: none
};

// Runs a command in a pod's container, prints what it printed once it has ended, and answers its
// exit code; 130 if `interrupt_fd` got readable before that.
Result<int> ExecInPod(CriClient& cri, const ExecRequest& request, int interrupt_fd,
                      Context& context);

// Stops and removes; `pods` by name or id, or with none and `all` every pod of ours. Goes on after
// a failure and answers the first.
Status StopPods(CriClient& cri, const std::vector<std::string>& pods, bool all, Context& context);

Status ListPods(CriClient& cri, bool json, Context& context);

}  // namespace locket::cli
