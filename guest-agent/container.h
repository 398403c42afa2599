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
#include "guest-agent/container_runtime.h"
#include "guest-agent/exit_notices.h"
#include "guest-agent/guest_spec.h"
#include "guest-agent/network.h"
#include "guest-mounter/image_opener.h"

namespace locket::guest_agent {

// Shared by all containers; outlives them.
struct ContainerSeams {
  ContainerRuntime& runtime;
  ExitNotices& exits;
};

struct ContainerOptions {
  std::string id;
  std::filesystem::path directory;  // made at Create, removed at Delete
  std::string default_hostname;     // when the host's spec names none
  GuestNetwork network{};           // the pod's; what hosts and resolv.conf tell of
};

enum class OutputStream { kStdout, kStderr };

struct Output {
  std::string data{};
  bool end = false;  // with it, data is empty
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
class Container {
 public:
  Container(const ContainerSeams& seams, std::unique_ptr<guest_mounter::OpenImage> image,
            ContainerOptions options)
      : seams_(seams), options_(std::move(options)), image_(std::move(image)) {}
  Container(const Container&) = delete;
  // As Delete, with what goes wrong logged.
  ~Container();

  // On failure the container can be created anew. `host_spec` is the host's config.json.
  // kPermissionDenied: the policy forbids the command, or input from the host.
  Result<CreatedContainer> Create(std::string_view host_spec, const SpecPolicy& policy,
                                  bool with_stdin);
  Result<pid_t> Start();
  // Blocks until the first process has ended.
  Result<ExitNotice> Wait();
  Status Signal(int signal, bool all);
  Result<std::vector<pid_t>> Processes();
  // Ends what runs, takes the container and its root directory down. Succeeds when that is done
  // already. Readers still get the output that was written.
  Status Delete();

  // Blocks until there is output. One reader for each stream at a time.
  Result<Output> Read(OutputStream stream, size_t max_bytes);
  Status WriteInput(std::string_view data);
  void CloseInput();

 private:
  enum class State { kPrepared, kCreated, kRunning, kDeleted };
  struct Streams {
    bool with_stdin;
    bool hide_output;  // what it prints goes nowhere
  };

  Status WriteBundle(const GuestSpec& spec);
  Result<pid_t> CreateLocked(const Streams& streams);
  void WatchExit(pid_t pid, ExitNotices::Mark since);
  Status RequireProcess();

  const ContainerSeams seams_;
  const ContainerOptions options_;

  std::mutex lifecycle_;  // Create, Start, Delete one at a time; taken before mutex_
  std::unique_ptr<guest_mounter::OpenImage> image_;  // under lifecycle_; null once deleted
  std::thread watcher_;                              // under lifecycle_

  std::mutex mutex_;
  std::condition_variable ended_;
  State state_ = State::kPrepared;
  pid_t pid_ = 0;
  std::optional<Result<ExitNotice>> exit_;
  std::string last_words_;           // ours, for stderr after the container's own output
  std::shared_ptr<UniqueFd> stdin_;  // shared with writers under way
  UniqueFd stdout_;                  // set once, by Create
  UniqueFd stderr_;
};

}  // namespace locket::guest_agent
