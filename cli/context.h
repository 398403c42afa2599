// What a command may touch of the world besides files, sockets and its own arguments. `main` fills
// it with the real things, tests with their own.
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
  std::ostream& out;  // results
  std::ostream& err;  // errors and progress
  bool err_is_terminal = false;
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // From this call on SIGINT and SIGTERM end nothing by themselves, but make the descriptor
  // readable.
  std::function<Result<UniqueFd>()> catch_signals;
  // Asks whoever sits at the terminal. Unset: nobody does.
  std::function<Result<Secret>(const std::string& prompt, const std::stop_token& stop)>
      ask_passphrase{};
};

}  // namespace locket::cli
