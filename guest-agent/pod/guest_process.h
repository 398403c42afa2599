// A process of a container as the host deals with it: the container's first one, or an exec.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/result.h"
#include "guest-agent/process/exit_notices.h"
#include "guest-agent/process/process_io.h"

namespace locket::guest_agent {

// Thread-safe.
class GuestProcess {
 public:
  virtual ~GuestProcess() = default;

  // kFailedPrecondition: it runs already, or is not created.
  virtual Result<pid_t> Start() = 0;
  // Blocks until it has ended.
  virtual Result<ExitNotice> Wait() = 0;
  // kNotFound: it has ended. `all`: every process of the container, if this is its first.
  virtual Status Signal(int signal, bool all) = 0;

  // Its streams, as ProcessIo has them.
  virtual Result<Output> Read(OutputStream stream, size_t max_bytes) = 0;
  virtual Status WriteInput(std::string_view data) = 0;
  virtual void CloseInput() = 0;
  virtual Status Resize(const TerminalSize& size) = 0;
};

}  // namespace locket::guest_agent
