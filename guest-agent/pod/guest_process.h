// A process of a container, for the calls of the host that are about one: the container's first
// process, or an exec.
#pragma once

#include <string_view>

#include "base/result.h"
#include "guest-agent/process/exit_notices.h"
#include "guest-agent/process/process_io.h"

namespace locket::guest_agent {

// Thread-safe.
class GuestProcess {
 public:
  virtual ~GuestProcess() = default;

  // Lets the process run. kFailedPrecondition: it runs already, or is not created.
  virtual Status Start() = 0;
  // Blocks until the process has ended. Returns how; later calls return the same.
  virtual Result<ExitNotice> Wait() = 0;
  // Sends a signal. `all`: to every process of the container, if this is its first one. kNotFound:
  // the process has ended. kInvalidArgument: there is no such signal.
  virtual Status Signal(int signal, bool all) = 0;

  // The process's streams: as the methods of ProcessIo (process_io.h).
  virtual Result<Output> Read(OutputStream stream, size_t max_bytes) = 0;
  virtual Status WriteInput(std::string_view data) = 0;
  virtual void CloseInput() = 0;
  virtual Status Resize(const TerminalSize& size) = 0;
};

}  // namespace locket::guest_agent
