// The whole program below `main`: parses the command line, runs the command, prints the error.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace locket::cli {

// `arguments` are those of the program, without its name. Returns the exit code: 0 if the command
// did its work, 1 if it failed, 2 if the command line is wrong, 3 and 130 as docs/cli.md says;
// `pod run` and `pod exec` return that of the container or command. Every failure has printed one
// line `locket: what: why` to `context.err`, in which control characters are escaped. A result that
// could not be written in full counts as a failure.
int Run(const std::vector<std::string>& arguments, Context& context);

}  // namespace locket::cli
