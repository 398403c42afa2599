// How much disk a directory takes.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// Returns the allocated bytes and the inodes of `directory` and everything below it. A file with
// several links counts once, and what vanishes meanwhile does not count. Takes as long as walking
// the tree does. kNotFound: there is no such directory.
Result<Usage> MeasureUsage(const std::filesystem::path& directory);

}  // namespace locket::snapshotter
