#include "erofs/tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace locket::erofs {
namespace {

constexpr size_t kMaxNameBytes = 255;     // NAME_MAX, EROFS_NAME_LEN
constexpr size_t kMaxPathBytes = 4095;    // PATH_MAX without its zero byte
constexpr int kMaxSymlinksFollowed = 40;  // as Linux
constexpr size_t kNameMemory = 64;        // what a name in a directory takes besides its bytes

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// Names between slashes, without empty ones and ".".
std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

// Also resolves ".." by the text alone, as containerd does.
Result<std::vector<std::string>> CleanPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return Invalid("its path is longer than 4095 bytes");
  std::vector<std::string> clean;
  for (std::string& name : SplitPath(path)) {
    if (name == "..") {
      if (clean.empty()) return Invalid("it climbs above the root");
      clean.pop_back();
    } else if (name.size() > kMaxNameBytes) {
      return Invalid("a name in it is longer than 255 bytes");
    } else {
      clean.push_back(std::move(name));
    }
  }
  return clean;
}

}  // namespace

Tree::Tree(uint64_t max_nodes, uint64_t max_text_bytes)
    : max_nodes_(std::min<uint64_t>(max_nodes, kNoNode)), max_text_bytes_(max_text_bytes) {
  nodes_.push_back(NewDirectory());
  nodes_[kRoot].links = 1;
}

std::string_view Tree::Keep(std::string_view text) {
  auto* const kept = static_cast<char*>(memory_.allocate(text.size(), alignof(char)));
  std::ranges::copy(text, kept);
  return {kept, text.size()};
}

Node Tree::NewDirectory() {
  Node node{.mode = S_IFDIR | 0755, .implied = true};
  node.directory = std::make_unique<Directory>(
      Directory{.children = std::pmr::map<std::string_view, Child>(&memory_)});
  return node;
}

Status Tree::CountText(size_t bytes) {
  if (bytes > max_text_bytes_ - text_bytes_) {
    return Error(ErrorCode::kResourceExhausted,
                 "names and symlink targets together take more than " +
                     std::to_string(max_text_bytes_) + " bytes of memory");
  }
  text_bytes_ += bytes;
  return Ok();
}

Result<NodeId> Tree::NewNode(Node node) {
  if (nodes_.size() >= max_nodes_) {
    return Error(ErrorCode::kResourceExhausted,
                 "more than " + std::to_string(max_nodes_) + " files");
  }
  LOCKET_TRY(CountText(node.target.size()));
  node.target = Keep(node.target);
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Tree::ChildOf(NodeId directory, std::string_view name) const {
  const auto& children = nodes_[directory].directory->children;
  const auto found = children.find(name);
  return found == children.end() ? kNoNode : found->second.node;
}

// Follows `names` from the root. `on_missing(directory, name)` says what to do with a name that is
// not there: the node to go on with, or an error.
template <typename OnMissing>
Result<NodeId> Tree::Walk(std::vector<std::string> names, const OnMissing& on_missing) const {
  std::vector<NodeId> trail{kRoot};
  std::reverse(names.begin(), names.end());  // next one last
  for (int followed = 0; !names.empty();) {
    const std::string name = std::move(names.back());
    names.pop_back();
    if (name == "..") {  // only from a symlink; at the root it stays there, as under chroot
      if (trail.size() > 1) trail.pop_back();
      continue;
    }
    NodeId next = ChildOf(trail.back(), name);
    if (next == kNoNode) {
      LOCKET_TRY_ASSIGN(next, on_missing(trail.back(), name));
    }
    const Node& node = nodes_[next];
    if (S_ISDIR(node.mode)) {
      trail.push_back(next);
    } else if (!S_ISLNK(node.mode)) {
      return Invalid("'" + name + "' on its way is not a directory");
    } else if (++followed > kMaxSymlinksFollowed) {
      return Invalid("too many symlinks on its way");
    } else {
      if (node.target.starts_with('/')) trail.resize(1);
      auto target = SplitPath(node.target);
      names.insert(names.end(), std::make_move_iterator(target.rbegin()),
                   std::make_move_iterator(target.rend()));
    }
  }
  return trail.back();
}

Result<Place> Tree::Locate(std::string_view path) {
  LOCKET_TRY_ASSIGN(auto names, CleanPath(path));
  if (names.empty()) return Place{.parent = kRoot, .name = {}};
  std::string last = std::move(names.back());
  names.pop_back();
  const auto make = [this](NodeId directory, const std::string& name) -> Result<NodeId> {
    if (name.size() > kMaxNameBytes) return Invalid("a symlink's name in it is too long");
    LOCKET_TRY_ASSIGN(const NodeId made, NewNode(NewDirectory()));
    LOCKET_TRY(Attach({.parent = directory, .name = name}, made));
    return made;
  };
  LOCKET_TRY_ASSIGN(const NodeId parent, Walk(std::move(names), make));
  return Place{.parent = parent, .name = std::move(last)};
}

Result<NodeId> Tree::Find(std::string_view path) const {
  LOCKET_TRY_ASSIGN(auto names, CleanPath(path));
  if (names.empty()) return kRoot;
  const std::string last = std::move(names.back());
  names.pop_back();
  const auto fail = [](NodeId, const std::string&) -> Result<NodeId> {
    return Error(ErrorCode::kNotFound, "no such file");
  };
  LOCKET_TRY_ASSIGN(const NodeId parent, Walk(std::move(names), fail));
  const NodeId found = ChildOf(parent, last);
  if (found == kNoNode) return Error(ErrorCode::kNotFound, "no such file");
  return found;
}

// Gives `node` the name, whatever had it before.
Status Tree::Attach(const Place& place, NodeId node) {
  auto& children = nodes_[place.parent].directory->children;
  auto found = children.find(place.name);
  if (found == children.end()) {
    LOCKET_TRY(CountText(kNameMemory + place.name.size()));
    found = children.emplace(Keep(place.name), Child{}).first;
  }
  ++nodes_[node].links;  // first: `node` may be somewhere under what is dropped
  // What lower layers have there is gone from now on, also if a directory takes the name again.
  if (!S_ISDIR(nodes_[node].mode)) found->second.whiteout = true;
  const NodeId old = std::exchange(found->second.node, node);
  if (old != kNoNode) Drop(old);
  return Ok();
}

// Takes one name from `node`, and from all below it if that was the last.
void Tree::Drop(NodeId first) {
  std::vector<NodeId> todo{first};
  while (!todo.empty()) {
    Node& node = nodes_[todo.back()];
    todo.pop_back();
    if (--node.links > 0) continue;
    node.target = {};
    if (node.directory == nullptr) continue;
    for (const auto& [name, child] : node.directory->children) {
      if (child.node != kNoNode) todo.push_back(child.node);
    }
    node.directory.reset();
  }
}

Status Tree::Put(const Place& place, Node node) {
  const bool is_directory = S_ISDIR(node.mode);
  const NodeId old = place.name.empty() ? kRoot : ChildOf(place.parent, place.name);
  if (old != kNoNode && is_directory && S_ISDIR(nodes_[old].mode)) {
    node.directory = std::move(nodes_[old].directory);
    node.links = nodes_[old].links;
    nodes_[old] = std::move(node);
    return Ok();
  }
  if (place.name.empty()) return Invalid("it would replace the root by something else");
  if (is_directory) node.directory = std::move(NewDirectory().directory);
  LOCKET_TRY_ASSIGN(const NodeId made, NewNode(std::move(node)));
  return Attach(place, made);
}

Status Tree::Link(const Place& place, NodeId node) {
  if (S_ISDIR(nodes_[node].mode)) return Invalid("it is a hard link to a directory");
  if (place.name.empty()) return Invalid("it would replace the root by something else");
  return Attach(place, node);
}

Status Tree::AddWhiteout(const Place& place) {
  auto& children = nodes_[place.parent].directory->children;
  auto found = children.find(place.name);
  if (found == children.end()) {
    LOCKET_TRY(CountText(kNameMemory + place.name.size()));
    found = children.emplace(Keep(place.name), Child{}).first;
  }
  found->second.whiteout = true;
  return Ok();
}

Tree::Names::iterator Tree::Erase(NodeId directory, Names::iterator name) {
  const NodeId node = name->second.node;
  const auto next = nodes_[directory].directory->children.erase(name);
  if (node != kNoNode) Drop(node);
  return next;
}

}  // namespace locket::erofs
