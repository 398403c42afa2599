// One container, from its root directory to its last byte of output.
//
//   prepared  the image is open: its root directory is mounted
//   created   Create: the policy was applied, config.json is written, crun made the container
//   running   Start: its program runs, execs are possible
//   ended     its first process has ended: Wait returns, output that is left can be read
//   deleted   Delete, from any state: crun's container, root directory and devices are gone
//
// After the end of the first process the image's devices are checked: if one has found corrupted
// data, a container that ended with 0 gets status 74, and the reason is its last line on stderr.
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
  std::filesystem::path directory;  // of the bundle; made at Create, removed at Delete
  std::string default_hostname;     // for a host's config.json that names none
  GuestNetwork network{};           // the pod's, for hosts and resolv.conf in the container's /etc
};

// Returns what the image says about its process. If the image's config is not pinned by the
// accepted manifest, the host may have chosen it: command and environment are then left empty, so
// that only the policy can allow any. kInvalidArgument: its user is not a number.
Result<ImageProcess> ProcessOf(const guest_mounter::AcceptedImage& image);

// Thread-safe. The output stays in kernel pipes until somebody reads it. A container that writes
// more than they hold waits.
class Container final : public GuestProcess {
 public:
  Container(const ContainerSeams& seams, std::unique_ptr<guest_mounter::OpenImage> image,
            ContainerOptions options)
      : seams_(seams), options_(std::move(options)), image_(std::move(image)) {}
  Container(const Container&) = delete;
  // As Delete; a failure is logged.
  ~Container() override;

  // Creates the container. `host_request`: the host's config.json, of which the policy decides what
  // counts. The container gets a terminal if config.json asks for one. Returns what the host asked
  // for and the container does not have, in words. On failure Create can be called again.
  // kPermissionDenied: the policy forbids the command, or input from the host. kFailedPrecondition:
  // the program cannot be run, or the container was created before; the message says which.
  // kInvalidArgument: config.json or a name in it is malformed.
  Result<std::vector<std::string>> Create(std::string_view host_request,
                                          const initdata::GuestPolicy& policy, bool with_stdin);
  Status Start() override;
  Result<ExitNotice> Wait() override;
  Status Signal(int signal, bool all) override;
  // Ends all processes and removes the container, its execs, its root directory and its devices.
  // Succeeds when that is done already. Readers still get the output that was written. On failure
  // it can be repeated.
  Status Delete();

  Result<Output> Read(OutputStream stream, size_t max_bytes) override;
  Status WriteInput(std::string_view data) override;
  void CloseInput() override;
  Status Resize(const TerminalSize& size) override;

  // Adds a process to the running container, for Exec::Start. `host_process`: "process" of an OCI
  // spec, a request as config.json is. kFailedPrecondition: the container does not run, or the
  // program cannot be run. kPermissionDenied: the policy forbids the command, or input from the
  // host. Else as ExecTable::Add.
  Status CreateExec(const std::string& exec_id, std::string_view host_process,
                    const initdata::GuestPolicy& policy, bool with_stdin);
  Result<std::shared_ptr<Exec>> FindExec(const std::string& exec_id) {
    return execs_.Find(exec_id);
  }
  Status DeleteExec(const std::string& exec_id) { return execs_.Delete(exec_id); }

 private:
  enum class State { kPrepared, kCreated, kRunning, kDeleted };
  initdata::GuestPolicy PolicyHere(const initdata::GuestPolicy& policy) const;
  Result<GuestConfig> MakeConfig(HostRequest host, const initdata::GuestPolicy& policy);
  Status WriteBundle(const GuestConfig& config);
  Status CreateLocked(const IoOptions& io);
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
