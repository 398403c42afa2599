// The file tree a layer's tar describes, in memory: names, attributes, where each file's data lies.
// Applies entries as containerd does when it unpacks a layer, with one difference: a name that
// climbs above the root is refused instead of clamped.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>

#include "base/result.h"
#include "erofs/ondisk.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {

using NodeId = uint32_t;
inline constexpr NodeId kRoot = 0;
inline constexpr NodeId kNoNode = UINT32_MAX;

struct Child {
  NodeId node = kNoNode;
  bool whiteout = false;  // the tar also (or only) says `.wh.NAME`, or had something else there
};

// Of a million files each byte here counts; names and maps lie in the tree's own memory.
struct Directory {
  std::pmr::map<std::string_view, Child> children;
  bool opaque = false;
};

struct Node {
  uint16_t mode;                           // type and permissions
  DataLayout layout = DataLayout::kPlain;  // regular files
  bool implied = false;                    // a directory that no entry is about, as yet
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mtime_nsec = 0;
  int64_t mtime = 0;
  XattrId xattrs = kNoXattrs;
  uint32_t rdev = 0;          // as the kernel's new_encode_dev() has it
  uint32_t links = 0;         // names that lead here; 0: replaced by a later entry
  uint32_t first_block = 0;   // of the data in whole blocks; if compressed, how many those are
  uint64_t size = 0;          // regular files
  uint64_t spool_offset = 0;  // of the inlined tail, or of the index of compressed data
  std::string_view target{};  // symlinks
  std::unique_ptr<Directory> directory{};
};

// A name in a directory; for the root itself `name` is empty.
struct Place {
  NodeId parent;
  std::string name;
};

class Tree {
 public:
  // At most `max_nodes` nodes are ever made, with names (each counts 64 bytes more than it is long:
  // hard links are many names and no nodes) and symlink targets of together at most
  // `max_text_bytes`: kResourceExhausted.
  Tree(uint64_t max_nodes, uint64_t max_text_bytes);

  // Where an entry called `path` goes. Symlinks on the way (not the last name) are followed inside
  // the root; missing directories are made. kInvalidArgument: climbs above the root, too long, or
  // something on the way is no directory.
  Result<Place> Locate(std::string_view path);

  // The node an existing name means, symlinks on the way followed. kNotFound: none.
  Result<NodeId> Find(std::string_view path) const;

  // Two directories merge, the new attributes win. Anything else replaces what was there. Keeps a
  // copy of the target.
  Status Put(const Place& place, Node node);

  // One more name for `node`, which is no directory.
  Status Link(const Place& place, NodeId node);

  // What lower layers have under this name is hidden, and stays so if the layer has the name too.
  Status AddWhiteout(const Place& place);
  void MakeOpaque(NodeId directory) { nodes_[directory].directory->opaque = true; }

  // A character device 0:0, to be given to a child that is a whiteout and nothing else.
  Result<NodeId> NewWhiteout() { return NewNode(Node{.mode = S_IFCHR, .links = 1}); }

  // Takes a name out of `directory`. Returns the next one.
  using Names = std::pmr::map<std::string_view, Child>;
  Names::iterator Erase(NodeId directory, Names::iterator name);

  Node& node(NodeId id) { return nodes_[id]; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  size_t num_nodes() const { return nodes_.size(); }

 private:
  Result<NodeId> NewNode(Node node);
  Status CountText(size_t bytes);
  NodeId ChildOf(NodeId directory, std::string_view name) const;
  Status Attach(const Place& place, NodeId node);
  void Drop(NodeId node);
  std::string_view Keep(std::string_view text);
  Node NewDirectory();
  template <typename OnMissing>
  Result<NodeId> Walk(std::vector<std::string> names, const OnMissing& on_missing) const;

  uint64_t max_nodes_;
  uint64_t max_text_bytes_;
  uint64_t text_bytes_ = 0;
  std::pmr::monotonic_buffer_resource memory_;  // outlives the maps in it
  std::deque<Node> nodes_;                      // a vector would be there twice when it grows
};

}  // namespace locket::erofs
