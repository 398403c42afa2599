// A directory tree as text, one line for each thing that can be seen of it, for comparisons.
#pragma once

#include <map>
#include <string>

namespace locket::cli {

// By path below `root`, "." being the root itself: type and mode, owner, time, device, link names,
// xattrs and the content's digest or the symlink's target.
std::map<std::string, std::string> ListTree(const std::string& root);

}  // namespace locket::cli
