// Room on disk for what is too large for memory, and nobody else's.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// A new file of mode 0600 in `directory`, open for reading and writing, that no name leads to: it
// is gone with its descriptor, however the process ends.
Result<UniqueFd> OpenNamelessFile(const std::filesystem::path& directory);

}  // namespace locket
