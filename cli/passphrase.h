// A passphrase typed at a terminal, unseen.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace locket::cli {

// Writes `prompt` to the descriptor `terminal` and reads one line from it, with echo off. Meanwhile
// the keys that stop or quit a program have no effect. Returns the line without its line feed.
// Afterwards, on failure too, the terminal's settings are as before.
// kCancelled: `stop` was requested. kInvalidArgument: the user typed nothing, or more than 4095
// bytes. kFailedPrecondition: `terminal` is not a terminal.
Result<Secret> AskPassphrase(int terminal, const std::string& prompt, const std::stop_token& stop);

}  // namespace locket::cli
