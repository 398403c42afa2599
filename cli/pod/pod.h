// Pods with one container, which `locket pod` runs through containerd's CRI.
//
// `pod run` makes the pod and its container with the same name. Attached, it copies the container's
// output until it ends, and stops the VM; the record of the pod and its log stay for `pod logs`
// until `pod stop`, or until a new pod takes over the name. Detached, it returns once the container
// runs, and `pod stop` ends it. No pod outlives a `pod run` that failed.
//
// In all functions an `interrupt_fd` that becomes readable means SIGINT or SIGTERM.
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
  std::string name;  // empty: RunPod chooses a random one
  std::string runtime_handler = "locket";
  std::map<std::string, std::string> annotations{};
  std::vector<std::string> command{};        // empty: the image's own
  std::filesystem::path log_dir;             // made if it does not exist; each pod has one below it
  std::vector<std::string> empty_volumes{};  // paths in the container
  int64_t memory_limit_mib = 0;              // 0: no limit
  std::string cgroup_parent{};               // the pod's cgroup on the host; empty: none
  bool network = false;                      // by CNI; the guest uses it if its initdata allows it
  bool detach = false;
  bool remove = false;                // remove the pod and its log once the container has ended
  std::chrono::seconds timeout{300};  // for each step until the container runs
};

// kInvalidArgument: not 1 to 63 lower-case letters, digits and inner dashes.
Status CheckPodName(std::string_view name);

// Runs a pod. Detached: prints its name and returns 0 once the container runs. Attached: copies the
// container's output and returns its exit code; the VM has ended by then. Interrupted: stops the
// pod and returns 130. A stopped pod of the same name is removed first. kAlreadyExists: a pod of
// that name is running. Other errors name the step that failed and have containerd's code. On
// failure the pod and its log are removed; if that fails too, `pod ls` still shows the pod.
Result<int> RunPod(CriClient& cri, const RunPodRequest& request, int interrupt_fd,
                   Context& context);

// Copies the log of a pod to `context.out` and `context.err`. `pod` is a name, an ID or the unique
// beginning of an ID. With `follow` it goes on until the container has ended or the call is
// interrupted; both are success. kNotFound: there is no such pod, or it has no container.
// kInvalidArgument: several IDs begin so.
Status PrintPodLog(CriClient& cri, const std::string& pod, bool follow, int interrupt_fd,
                   Context& context);

struct ExecRequest {
  std::string pod;  // a name, an ID or the unique beginning of an ID
  std::vector<std::string> command;
  std::chrono::seconds limit{0};  // time after which the command is killed; 0: no limit
};

// Runs a command in the container of a running pod. Once it has ended, prints its output and
// returns its exit code. Interrupted: containerd kills the command; prints nothing of it and
// returns 130. Errors as PrintPodLog, and containerd's, such as the guest's refusal of a command
// that the initdata does not list.
Result<int> ExecInPod(CriClient& cri, const ExecRequest& request, int interrupt_fd,
                      Context& context);

// Stops pods, removes them with their logs and prints their names. `pods` are names, IDs or unique
// beginnings of IDs; with `all` it is every pod that `pod run` made. Goes on after a failure:
// returns the first one, and prints the others to `context.err`.
Status StopPods(CriClient& cri, const std::vector<std::string>& pods, bool all, Context& context);

// Prints the pods that `pod run` made, oldest first, as a table or as JSON.
Status ListPods(CriClient& cri, bool json, Context& context);

}  // namespace locket::cli
