// containerd's CRI, in our words. Blocking; each call is bounded and can be interrupted.
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
// Pods of ours carry it, so that others' are never listed or stopped by name.
inline constexpr std::string_view kPodLabel = "dev.locket.pod";

struct PodSpec {
  std::string name;
  std::string uid;  // unique: lets a name be used again
  std::string log_directory;
  std::map<std::string, std::string> annotations{};
  std::string runtime_handler;
  std::string cgroup_parent{};  // empty: the host's choice
  bool network = false;  // true: one of its own, from CNI; else the host's, which no guest gets

  bool operator==(const PodSpec&) const = default;
};

struct BindMount {
  std::string host_path;
  std::string container_path;

  bool operator==(const BindMount&) const = default;
};

struct ContainerSpec {
  std::string name;
  std::string image;                   // as PullImage answered
  std::string image_reference;         // as the user named it; comes back in lists
  std::string log_path;                // below the pod's log directory
  std::vector<std::string> command{};  // empty: the image's own
  std::vector<BindMount> mounts{};
  int64_t memory_limit_bytes = 0;  // 0: none

  bool operator==(const ContainerSpec&) const = default;
};

enum class ContainerState { kCreated, kRunning, kExited, kUnknown };

struct ContainerInfo {
  std::string id;
  std::string pod_id;
  std::string name;
  std::string image_reference;
  ContainerState state;
  int64_t created_ns;

  bool operator==(const ContainerInfo&) const = default;
};

struct ContainerStatus {
  ContainerState state;
  int exit_code;         // of an exited one
  std::string reason;    // containerd's, may be empty
  std::string message;   // containerd's, may be empty
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
  bool ready;
  int64_t created_ns;
  std::string runtime_handler;

  bool operator==(const PodInfo&) const = default;
};

class CriClient {
 public:
  // Connects at the first call. Once `interrupt_fd` is readable every running and later call
  // answers kCancelled; -1: never. The descriptor is borrowed.
  CriClient(const std::string& socket, int interrupt_fd);
  CriClient(const CriClient&) = delete;
  CriClient& operator=(const CriClient&) = delete;
  ~CriClient();

  // Lets calls work again after an interruption, to clean up.
  void IgnoreInterruption();

  using Timeout = std::chrono::milliseconds;
  // Error codes are containerd's; kDeadlineExceeded: no answer within `timeout`.
  Result<std::string> Version(Timeout timeout);
  // What it says of its own configuration: JSON, or nothing if it says nothing.
  Result<std::string> Config(Timeout timeout);
  // The directories whose file systems it says hold images.
  Result<std::vector<std::string>> ImageDirectories(Timeout timeout);
  Result<std::string> RunPod(const PodSpec& pod, Timeout timeout);  // the pod's id
  Result<std::string> PullImage(const std::string& image, const PodSpec& pod, Timeout timeout);
  Result<std::string> CreateContainer(const std::string& pod_id, const PodSpec& pod,
                                      const ContainerSpec& container, Timeout timeout);
  Status StartContainer(const std::string& container_id, Timeout timeout);
  // Asks it to end, and kills it after `grace`.
  Status StopContainer(const std::string& container_id, std::chrono::seconds grace,
                       Timeout timeout);
  // Runs `command` in a running container to its end. `limit`: containerd kills it then, and the
  // call fails; 0: none.
  Result<ExecOutput> Exec(const std::string& container_id, const std::vector<std::string>& command,
                          std::chrono::seconds limit, Timeout timeout);
  Result<ContainerStatus> GetContainer(const std::string& container_id, Timeout timeout);
  Result<std::vector<ContainerInfo>> ListContainers(Timeout timeout);  // of our pods
  Result<std::vector<PodInfo>> ListPods(Timeout timeout);              // ours
  Status StopPod(const std::string& pod_id, Timeout timeout);
  Status RemovePod(const std::string& pod_id, Timeout timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
