// Everything that a command touches outside, except files, sockets and its own arguments: standard
// output and error, the environment, signals and the terminal. `main` fills a Context with the real
// ones, tests with their own, so that a test runs a whole command inside its process.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/unique_fd.h"

namespace locket::cli {

struct Context {
  std::ostream& out;             // results; `Run` checks at the end that all of it was written
  std::ostream& err;             // errors and progress
  bool err_is_terminal = false;  // progress may then redraw its line (progress.h)
  // Returns the value of an environment variable, or nothing if it is unset or empty.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // From this call on SIGINT and SIGTERM no longer end the process. Returns a descriptor that
  // becomes readable when one of them arrives. Call it once, before other threads start: they
  // inherit the signal mask.
  std::function<Result<UniqueFd>()> catch_signals;
  // Prints `prompt` at the terminal and returns what the user types, as AskPassphrase
  // (passphrase.h). Not set if standard input is not a terminal.
  std::function<Result<Secret>(const std::string& prompt, const std::stop_token& stop)>
      ask_passphrase{};
};

}  // namespace locket::cli
