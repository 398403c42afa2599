// Scripts that teach a shell our commands and options.
#pragma once

#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace locket::cli {

// Returns a script for "bash", "zsh" or "fish", to be sourced or installed, with the subcommands
// and long options of `app` as they are when this is called. kInvalidArgument: another shell.
Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace locket::cli
