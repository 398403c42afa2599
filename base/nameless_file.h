// Disk space for data that is too large for memory and that no other process needs.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// Returns a new file in `directory`, open for reading and writing, of mode 0600 and without a name
// (unlinked at once, as overlayfs has no O_TMPFILE before Linux 6.3). It is gone with its last
// descriptor, however the process ends. The error names the directory.
Result<UniqueFd> OpenNamelessFile(const std::filesystem::path& directory);

}  // namespace locket
