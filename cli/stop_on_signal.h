// SIGINT and SIGTERM as a stop token, for commands that clean up after themselves.
#pragma once

#include <memory>
#include <stop_token>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/context.h"

namespace locket::cli {

// The first signal requests a stop: the command sees it in token() at its next check, removes its
// temporary files and returns kCancelled. A second signal ends the process at once, with exit code
// 130, for a user who finds that this takes too long. Make it first in a command, as it blocks
// signals for threads that start later.
class StopOnSignal {
 public:
  // Starts the thread that waits for signals. An error is one of the system's; then signals act as
  // `context.catch_signals` left them.
  static Result<std::unique_ptr<StopOnSignal>> Start(const Context& context);
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  std::stop_token token() const { return source_.get_token(); }

 private:
  StopOnSignal(UniqueFd signals, UniqueFd end);
  bool WaitForSignal() const;  // returns false when the object is being destroyed

  std::stop_source source_;
  UniqueFd signals_;
  UniqueFd end_;
  std::thread thread_;
};

}  // namespace locket::cli
