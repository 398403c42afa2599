// Standard output and error of PID 1 and all its children, brought to the console by a process
// that alone waits for it: a console that nobody drains, or that is stopped, holds up nobody else.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// Not thread-safe: PID 1's own.
class ConsolePump {
 public:
  // From now on descriptors 1 and 2 are a pipe that never blocks: a line that does not fit any
  // more is dropped whole, if it is no longer than PIPE_BUF. `console` is taken over. On failure
  // they are what they were.
  static Result<ConsolePump> Start(UniqueFd console);

  ConsolePump(ConsolePump&&) = default;

  // Lets go of descriptors 1 and 2, which are /dev/null then, and waits until the console has
  // everything, at most `timeout`. Returns false if that was not enough; the process is left.
  bool Finish(std::chrono::milliseconds timeout);

 private:
  explicit ConsolePump(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace locket::guest_agent
