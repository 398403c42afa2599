// Scripts that teach a shell our commands and options.
#pragma once

#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace locket::cli {

// For "bash", "zsh" or "fish". kInvalidArgument: another shell.
Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace locket::cli
