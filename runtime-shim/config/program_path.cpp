#include "runtime-shim/config/program_path.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>

namespace locket::runtime_shim {

Result<std::filesystem::path> FindProgram(const std::filesystem::path& program) {
  const auto executable = [](const std::filesystem::path& path) {
    std::error_code failed;
    return std::filesystem::is_regular_file(path, failed) && ::access(path.c_str(), X_OK) == 0;
  };
  if (program.has_parent_path()) {
    if (executable(program)) return program;
    return Error(ErrorCode::kNotFound,
                 "program '" + program.string() +
                     "', which the shim's configuration names, is not there or not executable");
  }
  const char* variable = ::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  std::istringstream directories(variable == nullptr ? "" : variable);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (!directory.empty() && executable(std::filesystem::path(directory) / program)) {
      return std::filesystem::path(directory) / program;
    }
  }
  return Error(ErrorCode::kNotFound,
               "program '" + program.string() +
                   "' is not in containerd's PATH: install it, or give its path in the shim's "
                   "configuration");
}

}  // namespace locket::runtime_shim
