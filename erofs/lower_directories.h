// The directories that the layers below a layer have together.
//
// A layer's tar does not have to name the directories that its files are in. Such a directory keeps
// the mode, owner, time and xattrs that it has below, as with containerd and umoci. Start with an
// empty object at the bottom layer, seal a layer with it, add that layer (MergeDirectories), and go
// on with the next one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

struct DirectoryAttributes {
  uint16_t mode = 0040755;  // S_IFDIR and permissions
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime = 0;
  uint32_t mtime_nsec = 0;
  XattrSet xattrs{};  // without overlayfs's own

  bool operator==(const DirectoryAttributes&) const = default;
};

// Names a directory of one LowerDirectories.
using LowerId = uint32_t;
inline constexpr LowerId kNoLower = UINT32_MAX;

class LowerDirectories {
 public:
  // At most `max_directories` are ever kept, and their names and xattrs have at most `max_bytes` in
  // all. Beyond that Put returns kResourceExhausted.
  explicit LowerDirectories(uint64_t max_directories = uint64_t{4} << 20,
                            uint64_t max_bytes = uint64_t{1} << 30)
      : max_directories_(max_directories), max_bytes_(max_bytes) {}

  // Returns the root directory, or kNoLower before the first layer.
  LowerId root() const { return directories_.empty() ? kNoLower : 0; }
  // Returns the directory called `name` in `parent`, or kNoLower if there is none or `parent` is
  // kNoLower.
  LowerId Child(LowerId parent, std::string_view name) const;
  const DirectoryAttributes& attributes(LowerId id) const { return directories_[id].attributes; }

  // For MergeDirectories, which adds a layer from its root down. Put replaces the attributes of a
  // directory that is there. kResourceExhausted: see the constructor.
  Result<LowerId> PutRoot(DirectoryAttributes attributes);
  Result<LowerId> Put(LowerId parent, std::string_view name, DirectoryAttributes attributes);
  void Remove(LowerId parent, std::string_view name);
  void RemoveChildren(LowerId parent) { directories_[parent].children.clear(); }

 private:
  struct Directory {
    DirectoryAttributes attributes;
    std::map<std::string, LowerId, std::less<>> children{};
  };

  Status Count(std::string_view name, const DirectoryAttributes& attributes);

  uint64_t max_directories_;
  uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  std::deque<Directory> directories_;  // the root first; those removed stay, unreachable
};

}  // namespace locket::erofs
