// How much disk a directory takes.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// Allocated bytes and inodes of `directory` and everything below it; a file with several links
// counts once. What vanishes meanwhile does not count.
Result<Usage> MeasureUsage(const std::filesystem::path& directory);

}  // namespace locket::snapshotter
