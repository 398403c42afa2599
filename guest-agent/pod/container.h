// One container, from its root directory to its last byte of output.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "guest-agent/network/network.h"
#include "guest-agent/pod/exec.h"
#include "guest-agent/pod/guest_process.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/policy/volumes.h"
#include "guest-agent/process/container_runtime.h"
#include "guest-agent/process/exit_notices.h"
#include "guest-mounter/image_opener.h"

namespace locket::guest_agent {

struct ContainerOptions {
  std::string id;
  std::filesystem::path directory;  // made at Create, removed at Delete
  std::string default_hostname;     // when the host's config.json names none
  GuestNetwork network{};           // the pod's; what hosts and resolv.conf tell of
};

struct CreatedContainer {
  pid_t pid;
  std::vector<std::string> left_out;  // of what the host asked for, in words
};

// What `image` says its process is. A config that is not pinned is the host's word: command and
// environment are then left empty, and only the policy can allow any.
Result<ImageProcess> ProcessOf(const guest_mounter::AcceptedImage& image);

// Thread-safe. Its output stays in kernel pipes until somebody reads it: a container that writes
// more than they hold waits.
class Container final : public GuestProcess {
 public:
  Container(const ContainerSeams& seams, std::unique_ptr<guest_mounter::OpenImage> image,
            ContainerOptions options)
      : seams_(seams), options_(std::move(options)), image_(std::move(image)) {}
  Container(const Container&) = delete;
  // As Delete, with what goes wrong logged.
  ~Container() override;

  // On failure the container can be created anew. `host_request` is the host's config.json.
  // kPermissionDenied: the policy forbids the command, or input from the host. kFailedPrecondition:
  // the program cannot be run, with the reason. A terminal is made if the spec asks for one.
  Result<CreatedContainer> Create(std::string_view host_request, const SpecPolicy& policy,
                                  bool with_stdin);
  Result<pid_t> Start() override;
  Result<ExitNotice> Wait() override;
  Status Signal(int signal, bool all) override;
  Result<std::vector<pid_t>> Processes();
  // Ends what runs, takes the container and its root directory down. Succeeds when that is done
  // already. Readers still get the output that was written.
  Status Delete();

  Result<Output> Read(OutputStream stream, size_t max_bytes) override;
  Status WriteInput(std::string_view data) override;
  void CloseInput() override;
  Status Resize(const TerminalSize& size) override;

  // A process besides the first, for its Start; `host_process` is "process" of an OCI spec.
  // kFailedPrecondition: the container does not run. kPermissionDenied as for Create.
  Status CreateExec(const std::string& exec_id, std::string_view host_process,
                    const SpecPolicy& policy, bool with_stdin);
  Result<std::shared_ptr<Exec>> FindExec(const std::string& exec_id) {
    return execs_.Find(exec_id);
  }
  Status DeleteExec(const std::string& exec_id) { return execs_.Delete(exec_id); }

 private:
  enum class State { kPrepared, kCreated, kRunning, kDeleted };
  SpecPolicy PolicyHere(const SpecPolicy& policy) const;
  Result<GuestConfig> MakeConfig(HostRequest host, const SpecPolicy& policy);
  Status WriteBundle(const GuestConfig& config);
  Result<pid_t> CreateLocked(const IoOptions& io);
  bool WasOomKilled() const;
  void WatchExit(pid_t pid, ExitNotices::Mark since);
  Status RequireProcess();
  Result<ProcessIo*> RequireIo();

  const ContainerSeams seams_;
  const ContainerOptions options_;

  std::mutex lifecycle_;  // Create, Start, Delete one at a time; taken before mutex_
  std::unique_ptr<guest_mounter::OpenImage> image_;  // under lifecycle_; null once deleted
  std::optional<GuestConfig> config_;                // under lifecycle_; set by Create
  std::thread watcher_;                              // under lifecycle_

  std::mutex mutex_;
  std::condition_variable ended_;
  State state_ = State::kPrepared;
  pid_t pid_ = 0;
  std::optional<Result<ExitNotice>> exit_;
  std::string last_words_;  // ours, for stderr (or the terminal) after the container's own output
  std::unique_ptr<ProcessIo> io_;  // set once, by Create
  ExecTable execs_;
};

}  // namespace locket::guest_agent
