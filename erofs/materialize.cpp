#include "erofs/materialize.h"

#include <sys/stat.h>

#include <string>
#include <vector>

namespace locket::erofs {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";

struct Visit {
  NodeId node;
  LowerId lower;
  bool merged;  // lower layers may show through here
};

class Materializer {
 public:
  Materializer(Tree& tree, XattrTable& xattrs, const LowerDirectories* lower)
      : tree_(tree), xattrs_(xattrs), lower_(lower) {}

  Status Run() {
    const LowerId root = lower_ == nullptr ? kNoLower : lower_->root();
    todo_.push_back({.node = kRoot, .lower = root, .merged = IsThere(root)});
    while (!todo_.empty()) {
      const Visit here = todo_.back();
      todo_.pop_back();
      LOCKET_TRY(Inherit(here));
      LOCKET_TRY(Children(here));
      LOCKET_TRY(MarkOpaque(here.node));
    }
    return Ok();
  }

 private:
  // Of layers that are not known, everything may be there.
  bool IsThere(LowerId id) const { return lower_ == nullptr || id != kNoLower; }

  Status Inherit(const Visit& here) {
    Node& node = tree_.node(here.node);
    if (!node.implied || here.lower == kNoLower) return Ok();
    const DirectoryAttributes& below = lower_->attributes(here.lower);
    node.mode = below.mode;
    node.uid = below.uid;
    node.gid = below.gid;
    node.mtime = below.mtime;
    node.mtime_nsec = below.mtime_nsec;
    LOCKET_TRY_ASSIGN(node.xattrs, xattrs_.Add(below.xattrs));
    return Ok();
  }

  Status Children(const Visit& here) {
    Directory& directory = *tree_.node(here.node).directory;
    const bool merged = here.merged && !directory.opaque;
    const LowerId lower = merged ? here.lower : kNoLower;
    for (auto at = directory.children.begin(); at != directory.children.end();) {
      auto& [name, child] = *at;
      const bool ghost = child.node == kNoNode && !merged;
      if (ghost || name.starts_with(kWhiteoutPrefix)) {
        at = tree_.Erase(here.node, at);
        continue;
      }
      if (child.node == kNoNode) {
        LOCKET_TRY_ASSIGN(child.node, tree_.NewWhiteout());
      } else if (tree_.node(child.node).directory != nullptr) {
        Enter(child, name, lower, merged);
      }
      ++at;
    }
    return Ok();
  }

  void Enter(const Child& child, std::string_view name, LowerId lower, bool merged) {
    if (child.whiteout) tree_.MakeOpaque(child.node);
    const LowerId below =
        child.whiteout || lower_ == nullptr ? kNoLower : lower_->Child(lower, name);
    todo_.push_back({.node = child.node, .lower = below, .merged = merged && IsThere(below)});
  }

  Status MarkOpaque(NodeId id) {
    Node& node = tree_.node(id);
    if (!node.directory->opaque) return Ok();
    XattrSet set = xattrs_.Get(node.xattrs);
    set.insert_or_assign(std::string(kOpaqueXattr), std::string(kOpaqueValue));
    LOCKET_TRY_ASSIGN(node.xattrs, xattrs_.Add(set));
    return Ok();
  }

  Tree& tree_;
  XattrTable& xattrs_;
  const LowerDirectories* lower_;
  std::vector<Visit> todo_{};
};

}  // namespace

Status Materialize(Tree& tree, XattrTable& xattrs, const LowerDirectories* lower) {
  return Materializer(tree, xattrs, lower).Run();
}

}  // namespace locket::erofs
