// Programs that the configuration names.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace locket::runtime_shim {

// Returns the path to run: `program` itself if it has a slash, else the first executable of that
// name in PATH. kNotFound: there is no such executable.
Result<std::filesystem::path> FindProgram(const std::filesystem::path& program);

}  // namespace locket::runtime_shim
