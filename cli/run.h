// The whole program below `main`.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace locket::cli {

// `arguments` without the program's name. Returns the exit code: 0 done, 1 failed, 2 wrong usage;
// `pod run` returns the container's. Every failure has printed one line `locket: what: why`.
int Run(const std::vector<std::string>& arguments, Context& context);

}  // namespace locket::cli
