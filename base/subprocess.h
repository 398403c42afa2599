// Child processes: started from an argument vector and never through a shell, with all descriptors
// closed but those that are handed over, and each with an owner that ends it.
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
  // How likely the kernel kills the child when memory runs out, -1000 to 1000 (see
  // proc_pid_oom_score_adj(5)). Not given: as likely as this process.
  std::optional<int> oom_score_adj{};
};

// A child process that this object owns. The life cycle: Start makes it; Wait reaps it, or Release
// gives it away; else destruction kills it with SIGKILL and reaps it. pid() is valid until then,
// and no other process can have its number, because an owned child is not reaped by anybody else.
// For one thread at a time.
class Subprocess {
 public:
  // Starts the program `argv[0]`, looked up in PATH unless it has a slash. Returns when the child
  // runs that program: a failed execve(2) is reported here. kNotFound: there is no such program. On
  // failure no child is left.
  static Result<Subprocess> Start(const std::vector<std::string>& argv,
                                  const SpawnOptions& options = {});

  Subprocess(Subprocess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Subprocess& operator=(Subprocess&&) = delete;
  ~Subprocess();

  pid_t pid() const { return pid_; }  // -1 once reaped or released

  // Sends `signal`. Succeeds when the process is already gone.
  Status Kill(int signal) const;

  // Waits until the child has ended, at most `timeout`, and reaps it. Returns its exit status as a
  // shell counts it: 128 and the number of the signal for a death by signal. kDeadlineExceeded: the
  // child still runs and is still owned; Wait may be called again.
  Result<int> Wait(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

  // Returns the process ID and owns the child no longer. The caller has to reap it.
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

// Starts a program, writes `input` to it, and returns what it printed and its exit status, once it
// has ended. An exit status other than 0 is not an error here. kNotFound: there is no such program.
// kDeadlineExceeded: it was killed at the timeout. kResourceExhausted: it was killed, as it printed
// more than `max_output_bytes`. After any failure no child is left.
Result<CommandOutput> RunCommand(const std::vector<std::string>& argv,
                                 const RunOptions& options = {});

}  // namespace locket
