// The part of containerd's CRI that `locket pod` and `locket doctor` use, without gRPC's types.
//
// A pod (CRI: sandbox) is one VM. The life of ours: RunPod boots the VM, PullImage fetches the
// image, CreateContainer and StartContainer run it, GetContainer tells when it has ended, StopPod
// ends the VM and RemovePod deletes the record. A pod that was stopped but not removed stays in
// ListPods, so that its log can be read.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::cli {

inline constexpr std::string_view kDefaultCriSocket = "/run/containerd/containerd.sock";
// Label of every pod that RunPod makes. ListPods and ListContainers ask for it, so that pods of
// Kubernetes are never listed, or stopped by name.
inline constexpr std::string_view kPodLabel = "dev.locket.pod";

struct PodSpec {
  std::string name;
  std::string uid;  // unique; containerd reserves name and uid together, so a name can be reused
  std::string log_directory;  // absolute
  std::map<std::string, std::string> annotations{};
  std::string runtime_handler;
  std::string cgroup_parent{};  // empty: containerd chooses
  // true: CNI gives the pod a network. false: the pod has the host's network namespace, which needs
  // no CNI configuration; the shim does not connect a guest to it.
  bool network = false;

  bool operator==(const PodSpec&) const = default;
};

struct BindMount {
  std::string host_path;
  std::string container_path;

  bool operator==(const BindMount&) const = default;
};

struct ContainerSpec {
  std::string name;
  std::string image;                   // what PullImage returned
  std::string image_reference;         // the user's name for it; ContainerInfo has it
  std::string log_path;                // relative to the pod's log directory
  std::vector<std::string> command{};  // empty: the image's own
  std::vector<BindMount> mounts{};
  int64_t memory_limit_bytes = 0;  // 0: no limit

  bool operator==(const ContainerSpec&) const = default;
};

enum class ContainerState { kCreated, kRunning, kExited, kUnknown };

struct ContainerInfo {
  std::string id;
  std::string pod_id;
  std::string name;
  std::string image_reference;
  ContainerState state;
  int64_t created_ns;  // since 1970

  bool operator==(const ContainerInfo&) const = default;
};

struct ContainerStatus {
  ContainerState state;
  int exit_code;         // only for kExited
  std::string reason;    // containerd's word, such as "OOMKilled"; may be empty
  std::string message;   // containerd's; may be empty
  std::string log_path;  // absolute
};

struct ExecOutput {
  std::string standard_output;  // containerd keeps at most 16 MiB of each
  std::string standard_error;
  int exit_code;
};

struct PodInfo {
  std::string id;
  std::string name;
  bool ready;          // false: its VM has ended
  int64_t created_ns;  // since 1970
  std::string runtime_handler;

  bool operator==(const PodInfo&) const = default;
};

// Every call blocks, for at most `timeout`. Errors have containerd's code and text. kUnavailable:
// there is no containerd at the socket. kDeadlineExceeded: no answer within `timeout`; containerd
// may still carry out the request. kCancelled: interrupted. Used by one thread.
class CriClient {
 public:
  // Connects at the first call. Once `interrupt_fd` is readable, the running call and all later
  // ones return kCancelled; -1: calls are not interrupted. The descriptor stays the caller's.
  CriClient(const std::string& socket, int interrupt_fd);
  CriClient(const CriClient&) = delete;
  CriClient& operator=(const CriClient&) = delete;
  ~CriClient();

  // Lets calls work again after an interruption, so that the caller can clean up.
  void IgnoreInterruption();

  using Timeout = std::chrono::milliseconds;
  // Returns name and version: "containerd 1.6.20".
  Result<std::string> Version(Timeout timeout);
  // Returns the configuration of the CRI plugin as JSON, or an empty string if containerd does not
  // tell it.
  Result<std::string> Config(Timeout timeout);
  // Returns the directories in which containerd says that images take space (CRI's ImageFsInfo).
  Result<std::vector<std::string>> ImageDirectories(Timeout timeout);
  // Makes a pod and boots its VM. Returns the ID of the pod.
  Result<std::string> RunPod(const PodSpec& pod, Timeout timeout);
  // Pulls an image for the runtime of `pod`, whose snapshotter gets it. Returns containerd's ID of
  // the image.
  Result<std::string> PullImage(const std::string& image, const PodSpec& pod, Timeout timeout);
  // Makes a container in the pod, which must be ready. Returns the container's ID.
  Result<std::string> CreateContainer(const std::string& pod_id, const PodSpec& pod,
                                      const ContainerSpec& container, Timeout timeout);
  Status StartContainer(const std::string& container_id, Timeout timeout);
  // Sends the container its stop signal, and SIGKILL if it has not ended after `grace`. Returns
  // once it has ended.
  Status StopContainer(const std::string& container_id, std::chrono::seconds grace,
                       Timeout timeout);
  // Runs `command` in a running container and returns what it printed once it has ended. After
  // `limit` containerd kills the command and the call fails; 0: no limit.
  Result<ExecOutput> Exec(const std::string& container_id, const std::vector<std::string>& command,
                          std::chrono::seconds limit, Timeout timeout);
  Result<ContainerStatus> GetContainer(const std::string& container_id, Timeout timeout);
  Result<std::vector<ContainerInfo>> ListContainers(Timeout timeout);  // of pods with kPodLabel
  Result<std::vector<PodInfo>> ListPods(Timeout timeout);              // pods with kPodLabel
  // StopPod ends the containers and the VM. RemovePod deletes a stopped pod with its containers.
  // Both succeed if that is done already.
  Status StopPod(const std::string& pod_id, Timeout timeout);
  Status RemovePod(const std::string& pod_id, Timeout timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
