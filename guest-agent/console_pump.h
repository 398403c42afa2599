// Brings standard output and error of PID 1 and all its children to the console. A process of its
// own writes to the console, so that a console that the host does not read, or stops, stops nothing
// else.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// The pump of this process. Not thread-safe.
class ConsolePump {
 public:
  // Starts the pump, and makes descriptors 1 and 2 a pipe to it that never blocks: a line that does
  // not fit into the pipe is dropped as a whole, if it is at most PIPE_BUF bytes long. On failure
  // the descriptors are as they were.
  static Result<ConsolePump> Start(UniqueFd console);

  ConsolePump(ConsolePump&&) = default;

  // Makes descriptors 1 and 2 /dev/null, and waits at most `timeout` until the console has
  // everything. Returns false if that was not enough; the pump's process then goes on.
  bool Finish(std::chrono::milliseconds timeout);

 private:
  explicit ConsolePump(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace locket::guest_agent
