// The agent's end of a process's standard streams: three pipes, or one terminal.
//
//   auto io = ProcessIo::Create(options);
//   auto started = runtime.Exec({..., .streams = io->child()});
//   io->Started(std::move(started.terminal));
//   ... io->Read, io->Write ...
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
  bool end = false;  // the stream has ended; `data` is empty
};

struct IoOptions {
  bool with_stdin;   // there will be input; else the process reads from /dev/null
  bool terminal;     // both outputs of the process are one stream, stdout
  bool hide_output;  // outputs go to /dev/null; must not be set with `terminal`
};

// In characters.
struct TerminalSize {
  uint16_t rows;
  uint16_t columns;
};

// What a process prints stays in the kernel until somebody reads it. A process that prints more
// than the kernel holds waits. Thread-safe once Started was called.
class ProcessIo {
 public:
  static Result<std::unique_ptr<ProcessIo>> Create(const IoOptions& options);
  ProcessIo(const ProcessIo&) = delete;
  ProcessIo& operator=(const ProcessIo&) = delete;

  // Returns the process's ends of the streams. They are lent, until Started.
  ProcessStreams child() const;
  // The process was started and has copies of its ends: closes them here. `terminal`: the master of
  // its terminal, if it has one.
  void Started(UniqueFd terminal);

  bool terminal() const { return options_.terminal; }
  // Blocks until there is output or the stream ends. Returns at most `max_bytes`. At most one
  // thread may read a stream at a time.
  Result<Output> Read(OutputStream stream, size_t max_bytes);
  // Blocks until the kernel has taken all of `data`. kFailedPrecondition: the process has no input,
  // or the input is closed.
  Status Write(std::string_view data);
  // Ends the input. Without effect on a terminal, which is input as long as the process runs.
  void CloseInput();
  // kFailedPrecondition: there is no terminal.
  Status Resize(const TerminalSize& size) const;
  // From now on reads return the end of the stream and writes fail, although other processes may
  // still have the far ends open.
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
