// Programs started by us: argv only (never a shell), closed descriptors, and an owner for each.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace locket {

struct SpawnOptions {
  int stdin_fd = -1;                       // -1: /dev/null
  int stdout_fd = -1;                      // -1: /dev/null
  int stderr_fd = -1;                      // -1: ours
  std::vector<std::string> environment{};  // "NAME=value"; added to ours
  std::vector<int> inherited_fds{};        // above 2; the child has them under the same numbers
  // Opened cgroup.procs files: the child is in those cgroups before its program's first
  // instruction.
  std::vector<int> cgroup_fds{};
  // How likely the kernel kills the child for want of memory, -1000 to 1000: see
  // proc_pid_oom_score_adj(5). Nothing: as likely as us.
  std::optional<int> oom_score_adj{};
};

// A child process. Destruction kills it (SIGKILL) and reaps it unless Wait or Release came first.
class Subprocess {
 public:
  // `argv[0]` is looked up in PATH. kNotFound: no such program. No child is left of a failure.
  static Result<Subprocess> Start(const std::vector<std::string>& argv,
                                  const SpawnOptions& options = {});

  Subprocess(Subprocess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Subprocess& operator=(Subprocess&&) = delete;
  ~Subprocess();

  pid_t pid() const { return pid_; }  // -1 once reaped or released

  // Sends `signal`. Succeeds when the process is already gone.
  Status Kill(int signal) const;

  // The exit status as a shell counts it (128 + signal for a death by signal). kDeadlineExceeded:
  // still running; the object keeps owning it.
  Result<int> Wait(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

  // Gives the child away, for example to a reaper.
  pid_t Release() { return std::exchange(pid_, -1); }

 private:
  explicit Subprocess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

struct CommandOutput {
  int exit_status;
  std::string standard_output;
  std::string standard_error;
};

struct RunOptions {
  std::string input{};
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
  size_t max_output_bytes = 16U << 20;  // for each of the two streams
};

// Runs a program to its end. A non-zero exit is not an error here. kDeadlineExceeded: it was killed
// at the timeout. kResourceExhausted: it printed more than allowed and was killed.
Result<CommandOutput> RunCommand(const std::vector<std::string>& argv,
                                 const RunOptions& options = {});

}  // namespace locket
