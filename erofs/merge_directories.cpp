#include "erofs/merge_directories.h"

#include <sys/stat.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace locket::erofs {
namespace {

struct Visit {
  Inode directory;
  LowerId lower;
};

DirectoryAttributes AttributesOf(const Inode& directory, const XattrSet& xattrs) {
  DirectoryAttributes attributes{.mode = directory.mode,
                                 .uid = directory.uid,
                                 .gid = directory.gid,
                                 .mtime = directory.mtime,
                                 .mtime_nsec = directory.mtime_nsec,
                                 .xattrs = xattrs};
  attributes.xattrs.erase(std::string(kOpaqueXattr));
  return attributes;
}

// Walks the directories of an image, each once.
class Walker {
 public:
  explicit Walker(const ImageReader& layer) : layer_(layer) {}

  Status Push(uint64_t nid, LowerId lower) {
    if (!seen_.insert(nid).second) {
      return Error(ErrorCode::kDataLoss, "EROFS image: a directory stands in two places");
    }
    LOCKET_TRY_ASSIGN(const Inode inode, layer_.Stat(nid));
    todo_.push_back({.directory = inode, .lower = lower});
    return Ok();
  }
  bool empty() const { return todo_.empty(); }
  Visit Pop() {
    Visit next = std::move(todo_.back());
    todo_.pop_back();
    return next;
  }

 private:
  const ImageReader& layer_;
  std::set<uint64_t> seen_{};
  std::vector<Visit> todo_{};
};

}  // namespace

Status MergeDirectories(const ImageReader& layer, LowerDirectories& lower) {
  LOCKET_TRY_ASSIGN(const Inode root, layer.Stat(layer.root()));
  LOCKET_TRY_ASSIGN(const auto root_xattrs, layer.Xattrs(root));
  LOCKET_TRY_ASSIGN(const LowerId at, lower.PutRoot(AttributesOf(root, root_xattrs)));
  if (IsOpaque(root_xattrs)) lower.RemoveChildren(at);
  Walker walker(layer);
  LOCKET_TRY(walker.Push(root.nid, at));
  while (!walker.empty()) {
    const Visit here = walker.Pop();
    LOCKET_TRY_ASSIGN(const auto children, layer.List(here.directory));
    for (const NamedNode& child : children) {
      LOCKET_TRY_ASSIGN(const Inode inode, layer.Stat(child.nid));
      if (!S_ISDIR(inode.mode)) {
        lower.Remove(here.lower, child.name);
        continue;
      }
      LOCKET_TRY_ASSIGN(const auto xattrs, layer.Xattrs(inode));
      if (IsOpaque(xattrs)) lower.Remove(here.lower, child.name);
      LOCKET_TRY_ASSIGN(const LowerId id,
                        lower.Put(here.lower, child.name, AttributesOf(inode, xattrs)));
      LOCKET_TRY(walker.Push(child.nid, id));
    }
  }
  return Ok();
}

Result<bool> DependsOnLower(const ImageReader& layer, const LowerDirectories& lower) {
  Walker walker(layer);
  LOCKET_TRY(walker.Push(layer.root(), lower.root()));
  while (!walker.empty()) {
    const Visit here = walker.Pop();
    LOCKET_TRY_ASSIGN(const auto xattrs, layer.Xattrs(here.directory));
    const bool as_if_unnamed = AttributesOf(here.directory, xattrs) == DirectoryAttributes{};
    if (as_if_unnamed && here.lower != kNoLower &&
        lower.attributes(here.lower) != DirectoryAttributes{}) {
      return true;
    }
    LOCKET_TRY_ASSIGN(const auto children, layer.List(here.directory));
    const LowerId below = IsOpaque(xattrs) ? kNoLower : here.lower;
    for (const NamedNode& child : children) {
      LOCKET_TRY_ASSIGN(const Inode inode, layer.Stat(child.nid));
      if (IsWhiteout(inode) && below == kNoLower) return true;
      if (S_ISDIR(inode.mode)) LOCKET_TRY(walker.Push(child.nid, lower.Child(below, child.name)));
    }
  }
  return false;
}

}  // namespace locket::erofs
