#include "erofs/metadata_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "erofs/ondisk.h"

namespace locket::erofs {
namespace {

// Blocks not yet full that later inodes may still go to. More finds few more fits.
constexpr size_t kMaxOpenBlocks = 16;
// Keeps node number 0 out of use: as an inode number it means "none" to some.
constexpr uint64_t kReservedBytes = 64;

// fsck.erofs (1.5) reads the header of an inode's xattrs before it looks whether there are any,
// also behind the last inode.
constexpr uint64_t kXattrHeaderBytes = 12;

constexpr uint64_t kSpoolPiece = uint64_t{1} << 20;

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

uint64_t IndexBytes(uint64_t file_size) { return RoundUp(file_size, kBlockSize) / kBlockSize * 8; }

// What a regular file's inode of `inode_bytes` with xattrs is followed by.
uint64_t SpooledBytes(const Node& node, uint64_t inode_bytes) {
  switch (node.layout) {
    case DataLayout::kInline:
      return node.size % kBlockSize;
    case DataLayout::kCompressed:
      return IndexOffset(inode_bytes) - inode_bytes + IndexBytes(node.size);
    default:
      return 0;
  }
}

// Gives each inode its place in the metadata area. What fits into a block never crosses one.
class Placement {
 public:
  uint64_t Place(uint64_t bytes) {
    bytes = RoundUp(bytes, kSlotBytes);
    auto best = open_.end();
    for (auto at = open_.begin(); at != open_.end(); ++at) {
      const bool fits = kBlockSize - at->used >= bytes;
      if (fits && (best == open_.end() || at->used > best->used)) best = at;
    }
    if (best != open_.end()) {
      const uint64_t address = best->block * kBlockSize + best->used;
      best->used += bytes;
      if (best->used == kBlockSize) open_.erase(best);
      return address;
    }
    const uint64_t address = blocks_ * kBlockSize;
    blocks_ += RoundUp(bytes, kBlockSize) / kBlockSize;
    Open(bytes % kBlockSize);
    return address;
  }

  uint64_t blocks() const { return blocks_; }

 private:
  struct OpenBlock {
    uint64_t block;
    uint64_t used;
  };

  // The newest block, of which `used` bytes are taken (0: all).
  void Open(uint64_t used) {
    if (used == 0) return;
    open_.push_back({.block = blocks_ - 1, .used = used});
    if (open_.size() <= kMaxOpenBlocks) return;
    open_.erase(std::ranges::max_element(open_, {}, &OpenBlock::used));
  }

  uint64_t blocks_ = 1;
  std::vector<OpenBlock> open_{{.block = 0, .used = kReservedBytes}};
};

struct Plan {
  NodeId id;
  NodeId parent;
  uint64_t size = 0;
  uint64_t address = 0;  // from the beginning of the metadata area
  uint32_t links = 0;
  uint32_t first_block = 0;  // of directories and symlinks that are not inlined
  DataLayout layout = DataLayout::kPlain;
};

class Writer {
 public:
  Writer(const ImageParts& parts, BlockWriter& out)
      : tree_(parts.tree),
        xattrs_(parts.xattrs),
        spool_(parts.spool),
        out_(out),
        plan_of_(parts.tree.num_nodes(), UINT32_MAX) {}

  Result<ImageInfo> Run(const std::array<std::byte, 16>& uuid, BlockSink& sink);

 private:
  void Order();
  void PlanAll();
  std::string DirectoryBytes(const Plan& plan) const;
  std::string Content(const Plan& plan) const;
  Status WriteTail(const Plan& plan);
  Status WriteDirectoryBlocks();
  Status WriteInodes();
  std::string InodeBytes(const Plan& plan) const;
  uint64_t NidOf(NodeId id) const { return plans_[plan_of_[id]].address / kSlotBytes; }

  const Tree& tree_;
  const XattrTable& xattrs_;
  const Spool& spool_;
  BlockWriter& out_;
  std::vector<Plan> plans_;  // in canonical order
  std::vector<uint32_t> plan_of_;
  uint64_t metadata_block_ = 0;
  uint64_t metadata_blocks_ = 0;
  bool compressed_ = false;
};

// Depth first, children by name; a file of several names comes where the first of them is.
void Writer::Order() {
  std::vector<std::pair<NodeId, NodeId>> todo{{kRoot, kRoot}};  // and its parent
  while (!todo.empty()) {
    const auto [id, parent] = todo.back();
    todo.pop_back();
    if (plan_of_[id] != UINT32_MAX) continue;
    plan_of_[id] = static_cast<uint32_t>(plans_.size());
    plans_.push_back({.id = id, .parent = parent, .links = tree_.node(id).links});
    if (tree_.node(id).directory == nullptr) continue;
    const auto& children = tree_.node(id).directory->children;
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      todo.emplace_back(child->second.node, id);
    }
  }
}

std::string Writer::DirectoryBytes(const Plan& plan) const {
  const auto& children = tree_.node(plan.id).directory->children;
  std::vector<DirectoryEntry> entries{{.name = ".", .nid = NidOf(plan.id), .mode = S_IFDIR},
                                      {.name = "..", .nid = NidOf(plan.parent), .mode = S_IFDIR}};
  entries.reserve(children.size() + 2);
  for (const auto& [name, child] : children) {
    entries.push_back(
        {.name = name, .nid = NidOf(child.node), .mode = tree_.node(child.node).mode});
  }
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return EncodeDirectory(entries);
}

// Of directories and symlinks; other files have none, or it is written already.
std::string Writer::Content(const Plan& plan) const {
  const Node& node = tree_.node(plan.id);
  return node.directory != nullptr ? DirectoryBytes(plan) : std::string(node.target);
}

// Sizes first (they do not depend on node numbers), then a place for everything.
void Writer::PlanAll() {
  Placement placement;
  uint64_t next_block = out_.next_block();
  uint64_t inodes_end = 0;
  for (Plan& plan : plans_) {
    const Node& node = tree_.node(plan.id);
    const uint64_t xattr_bytes = xattrs_.EncodedSize(node.xattrs);
    uint64_t tail = 0;
    if (S_ISREG(node.mode)) {
      plan.size = node.size;
      plan.layout = node.layout;
      tail = SpooledBytes(node, kInodeBytes + xattr_bytes);
    } else if (S_ISDIR(node.mode) || S_ISLNK(node.mode)) {
      plan.size = Content(plan).size();
      tail = plan.size % kBlockSize;
      if (tail > 0 && FitsInline(xattr_bytes, tail)) {
        plan.layout = DataLayout::kInline;
      } else {
        tail = 0;
      }
      plan.first_block = static_cast<uint32_t>(next_block);
      next_block += RoundUp(plan.size - tail, kBlockSize) / kBlockSize;
    }
    plan.address = placement.Place(kInodeBytes + xattr_bytes + tail);
    inodes_end = std::max(inodes_end, plan.address + kInodeBytes);
    if (!S_ISDIR(node.mode)) continue;
    plan.links = 2;
    for (const auto& [name, child] : node.directory->children) {
      if (S_ISDIR(tree_.node(child.node).mode)) ++plan.links;
    }
  }
  metadata_block_ = next_block;
  metadata_blocks_ = std::max(placement.blocks(),
                              RoundUp(inodes_end + kXattrHeaderBytes, kBlockSize) / kBlockSize);
}

Status Writer::WriteDirectoryBlocks() {
  for (const Plan& plan : plans_) {
    const Node& node = tree_.node(plan.id);
    if (!S_ISDIR(node.mode) && !S_ISLNK(node.mode)) continue;
    const uint64_t tail = plan.layout == DataLayout::kInline ? plan.size % kBlockSize : 0;
    if (plan.size == tail) continue;
    const std::string content = Content(plan);
    LOCKET_TRY(out_.Append(AsBytes(content).first(plan.size - tail)));
    LOCKET_TRY(out_.PadToBlock());
  }
  return Ok();
}

std::string Writer::InodeBytes(const Plan& plan) const {
  const Node& node = tree_.node(plan.id);
  const bool is_device = S_ISCHR(node.mode) || S_ISBLK(node.mode);
  const auto first_block = S_ISREG(node.mode) ? node.first_block : plan.first_block;
  return EncodeInode({.layout = plan.layout,
                      .xattr_bytes = xattrs_.EncodedSize(node.xattrs),
                      .mode = node.mode,
                      .size = plan.size,
                      .block_or_rdev = is_device ? node.rdev : first_block,
                      .ino = plan_of_[plan.id] + 1,
                      .uid = node.uid,
                      .gid = node.gid,
                      .mtime = node.mtime,
                      .mtime_nsec = node.mtime_nsec,
                      .links = plan.links})
      .append(xattrs_.Encode(node.xattrs));
}

// What follows inode and xattrs: the last bytes of the content, or the index of compressed data.
Status Writer::WriteTail(const Plan& plan) {
  const Node& node = tree_.node(plan.id);
  if (plan.layout == DataLayout::kPlain) return Ok();
  if (!S_ISREG(node.mode)) {
    const std::string content = Content(plan);
    return out_.Append(AsBytes(content).last(plan.size % kBlockSize));
  }
  uint64_t left = plan.size % kBlockSize;
  if (plan.layout == DataLayout::kCompressed) {
    const uint64_t inode_bytes = kInodeBytes + xattrs_.EncodedSize(node.xattrs);
    LOCKET_TRY(out_.AppendZeros(IndexOffset(inode_bytes) - inode_bytes));
    left = IndexBytes(plan.size);
  }
  std::vector<std::byte> piece(std::min(left, kSpoolPiece));
  for (uint64_t at = node.spool_offset; left > 0; at += piece.size(), left -= piece.size()) {
    piece.resize(std::min(left, kSpoolPiece));
    LOCKET_TRY(spool_.Read(at, piece));
    LOCKET_TRY(out_.Append(piece));
  }
  return Ok();
}

Status Writer::WriteInodes() {
  std::vector<const Plan*> by_address;
  by_address.reserve(plans_.size());
  for (const Plan& plan : plans_) by_address.push_back(&plan);
  std::ranges::sort(by_address, {}, &Plan::address);
  const uint64_t start = metadata_block_ * kBlockSize;
  for (const Plan* plan : by_address) {
    LOCKET_TRY(out_.AppendZeros(start + plan->address - out_.position()));
    const std::string bytes = InodeBytes(*plan);
    LOCKET_TRY(out_.Append(AsBytes(bytes)));
    LOCKET_TRY(WriteTail(*plan));
    compressed_ = compressed_ || plan->layout == DataLayout::kCompressed;
  }
  return out_.AppendZeros(start + metadata_blocks_ * kBlockSize - out_.position());
}

Result<ImageInfo> Writer::Run(const std::array<std::byte, 16>& uuid, BlockSink& sink) {
  Order();
  PlanAll();
  const uint64_t blocks = metadata_block_ + metadata_blocks_;
  LOCKET_TRY(out_.CheckRoom(blocks * kBlockSize - out_.position()));
  LOCKET_TRY(WriteDirectoryBlocks());
  LOCKET_TRY(WriteInodes());
  LOCKET_TRY(out_.Flush());
  auto first_block = EncodeFirstBlock({.root_nid = static_cast<uint16_t>(NidOf(kRoot)),
                                       .inodes = plans_.size(),
                                       .blocks = static_cast<uint32_t>(blocks),
                                       .metadata_block = static_cast<uint32_t>(metadata_block_),
                                       .compressed = compressed_,
                                       .uuid = uuid});
  LOCKET_TRY(sink.Write(0, first_block));
  return ImageInfo{.size_bytes = blocks * kBlockSize, .inodes = plans_.size(), .ignored_xattrs = 0};
}

}  // namespace

bool FitsInline(uint64_t xattr_bytes, uint64_t tail) {
  return kInodeBytes + xattr_bytes + tail <= kBlockSize;
}

Result<ImageInfo> WriteMetadata(const ImageParts& parts, const std::array<std::byte, 16>& uuid,
                                BlockWriter& out, BlockSink& sink) {
  return Writer(parts, out).Run(uuid, sink);
}

}  // namespace locket::erofs
