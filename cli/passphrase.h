// A passphrase typed at a terminal, unseen.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace locket::cli {

// Writes `prompt` to `terminal` and reads one line from it with echo off; the terminal's settings
// are as before whatever happens. The keys that would stop or quit the program there do nothing
// meanwhile. kCancelled: `stop` was asked for. kInvalidArgument: nothing was typed, or more than
// 4095 bytes. kFailedPrecondition: not a terminal.
Result<Secret> AskPassphrase(int terminal, const std::string& prompt, const std::stop_token& stop);

}  // namespace locket::cli
