// The agent's end of a process's standard streams: three pipes, or one terminal.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "guest-agent/process/container_runtime.h"

namespace locket::guest_agent {

enum class OutputStream { kStdout, kStderr };

struct Output {
  std::string data{};
  bool end = false;  // with it, data is empty
};

struct IoOptions {
  bool with_stdin;
  bool terminal;     // what is printed is one stream, stdout
  bool hide_output;  // what it prints goes nowhere; not with a terminal
};

struct TerminalSize {
  uint16_t rows;
  uint16_t columns;
};

// Thread-safe once Started was called. What is printed stays in the kernel until somebody reads it:
// a process that prints more than the kernel holds waits.
class ProcessIo {
 public:
  static Result<std::unique_ptr<ProcessIo>> Create(const IoOptions& options);
  ProcessIo(const ProcessIo&) = delete;
  ProcessIo& operator=(const ProcessIo&) = delete;

  // What the process is to be started with; lent until Started.
  ProcessStreams child() const;
  // The process has its streams: lets go of its ends. `terminal`: the master of its terminal.
  void Started(UniqueFd terminal);

  bool terminal() const { return options_.terminal; }
  // Blocks until there is output. One reader for each stream at a time.
  Result<Output> Read(OutputStream stream, size_t max_bytes);
  // Blocks until all is written. kFailedPrecondition: there is no input, or it is closed.
  Status Write(std::string_view data);
  // Not of a terminal: it is input for as long as there is the process.
  void CloseInput();
  // kFailedPrecondition: there is no terminal.
  Status Resize(const TerminalSize& size) const;
  // Reads end and writes fail from now on, although others may hold the streams' far ends.
  void Abandon();

 private:
  explicit ProcessIo(const IoOptions& options) : options_(options) {}
  Status MakePipes();
  bool WaitFor(int fd, short events) const;

  const IoOptions options_;
  UniqueFd abandoned_;  // eventfd
  UniqueFd child_stdin_, child_stdout_, child_stderr_;
  UniqueFd stdout_, stderr_;  // a terminal is stdout_

  std::mutex mutex_;
  std::shared_ptr<UniqueFd> stdin_;  // shared with writers under way
};

}  // namespace locket::guest_agent
