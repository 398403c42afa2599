#include "erofs/image_builder.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "erofs/block_writer.h"
#include "erofs/file_writer.h"
#include "erofs/materialize.h"
#include "erofs/metadata_writer.h"
#include "erofs/tar_reader.h"
#include "erofs/tree.h"
#include "erofs/xattr_table.h"

namespace locket::erofs {
namespace {

constexpr uint64_t kMaxImageBytes = uint64_t{1} << 42;  // docs/formats/sealed-layer.md
constexpr size_t kMaxSymlinkBytes = 4095;               // PATH_MAX without its zero byte
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";  // AUFS's own bookkeeping, and the next:
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

enum class NameKind { kOrdinary, kWhiteout, kOpaque, kAufs };

// Names that begin with .wh. cannot occur in a layer (OCI image-spec, layer.md), except as markers.
Result<NameKind> KindOf(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  const std::string_view last = slash == path.npos ? path : path.substr(slash + 1);
  std::string_view parents = path.substr(0, path.size() - last.size());
  while (!parents.empty()) {
    const size_t end = std::min(parents.find('/'), parents.size() - 1);
    const std::string_view name = parents.substr(0, end);
    if (name.starts_with(kAufsPrefix)) return NameKind::kAufs;
    if (name.starts_with(kWhiteoutPrefix)) return Invalid("a whiteout on its way is no directory");
    parents.remove_prefix(end + 1);
  }
  if (last == kOpaqueName) return NameKind::kOpaque;
  if (last.starts_with(kAufsPrefix)) return NameKind::kAufs;
  if (!last.starts_with(kWhiteoutPrefix)) return NameKind::kOrdinary;
  const std::string_view hidden = last.substr(kWhiteoutPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..") return Invalid("a whiteout of no name");
  return NameKind::kWhiteout;
}

}  // namespace

struct ImageBuilder::State {
  ImageLimits limits;
  Compression compression;
  BlockSink& sink;
  BlockWriter writer;
  Spool spool;
  Tree tree;
  XattrTable xattrs{};
  uint64_t ignored_xattrs = 0;
  uint64_t hole_bytes = 0;

  Status AddEntry(TarReader& reader, const TarEntry& entry);
  Status AddFile(TarReader& reader, const TarEntry& entry);
  Status AddHardLink(const TarEntry& entry);
  Status AddMarker(const TarEntry& entry, NameKind kind);
  Status AppendHole(FileWriter& file, uint64_t bytes);
  Status ReadFileData(TarReader& reader, const TarEntry& entry, Node& node);
};

ImageBuilder::ImageBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageBuilder::ImageBuilder(ImageBuilder&&) noexcept = default;
ImageBuilder::~ImageBuilder() = default;

Result<ImageBuilder> ImageBuilder::Create(const ImageOptions& options, BlockSink& sink) {
  LOCKET_TRY_ASSIGN(Spool spool, Spool::Create(options.spool_directory));
  const uint64_t max_bytes = std::min(options.limits.image_bytes, kMaxImageBytes);
  // The tree does not move, so the state is made where it stays.
  return ImageBuilder(std::unique_ptr<State>(
      new State{.limits = options.limits,
                .compression = options.compression,
                .sink = sink,
                .writer = BlockWriter(sink, max_bytes),
                .spool = std::move(spool),
                .tree = Tree(options.limits.inodes, options.limits.metadata_bytes)}));
}

Status ImageBuilder::State::AddMarker(const TarEntry& entry, NameKind kind) {
  LOCKET_TRY_ASSIGN(Place place, tree.Locate(entry.path));
  if (kind == NameKind::kOpaque) {
    tree.MakeOpaque(place.parent);
    return Ok();
  }
  place.name.erase(0, kWhiteoutPrefix.size());
  return tree.AddWhiteout(place);
}

Status ImageBuilder::State::AddHardLink(const TarEntry& entry) {
  const auto target = tree.Find(*entry.hard_link_to);
  if (!target.ok()) {
    return Invalid("hard link to " + QuotedName(*entry.hard_link_to) + ": " +
                   target.error().message());
  }
  LOCKET_TRY_ASSIGN(const Place place, tree.Locate(entry.path));
  return tree.Link(place, *target);
}

Status ImageBuilder::State::AppendHole(FileWriter& file, uint64_t bytes) {
  if (bytes > limits.hole_bytes - hole_bytes) {
    return Error(ErrorCode::kResourceExhausted,
                 "the layer's sparse files have more than " + std::to_string(limits.hole_bytes) +
                     " bytes of holes, which an image holds as zeros");
  }
  hole_bytes += bytes;
  return file.AppendZeros(bytes);
}

Status ImageBuilder::State::ReadFileData(TarReader& reader, const TarEntry& entry, Node& node) {
  LOCKET_TRY(writer.CheckRoom(entry.size));
  node.size = entry.size;
  FileWriter file(writer, spool, compression, xattrs.EncodedSize(node.xattrs), node);
  const auto append = [&](uint64_t offset, std::span<const std::byte> bytes) -> Status {
    if (offset < file.position() || offset > entry.size || bytes.size() > entry.size - offset) {
      return Invalid("its data lies outside its size");
    }
    LOCKET_TRY(AppendHole(file, offset - file.position()));
    return file.Append(bytes);
  };
  LOCKET_TRY(reader.ReadData(append));
  LOCKET_TRY(AppendHole(file, entry.size - file.position()));
  return file.Finish();
}

Status ImageBuilder::State::AddFile(TarReader& reader, const TarEntry& entry) {
  Node node{.mode = entry.mode,
            .uid = entry.uid,
            .gid = entry.gid,
            .mtime_nsec = entry.mtime_nsec,
            .mtime = entry.mtime,
            .rdev = entry.rdev};
  LOCKET_TRY_ASSIGN(node.xattrs, xattrs.Add(entry.xattrs));
  if (xattrs.memory_bytes() > limits.metadata_bytes) {
    return Error(ErrorCode::kResourceExhausted, "distinct xattrs together take more than " +
                                                    std::to_string(limits.metadata_bytes) +
                                                    " bytes of memory");
  }
  ignored_xattrs += entry.ignored_xattrs;
  // Before the data: a name that is refused costs nothing.
  LOCKET_TRY_ASSIGN(const Place place, tree.Locate(entry.path));
  switch (entry.mode & S_IFMT) {
    case S_IFREG:
      LOCKET_TRY(ReadFileData(reader, entry, node));
      break;
    case S_IFLNK:
      if (entry.symlink_target.empty() || entry.symlink_target.size() > kMaxSymlinkBytes) {
        return Invalid("the target of a symlink must be 1 to 4095 bytes long");
      }
      node.target = entry.symlink_target;
      break;
    case S_IFCHR:
      if (entry.rdev == 0) {
        return Invalid(
            "it is a character device 0:0, which overlayfs takes for a deleted file; "
            "a layer deletes a file by '.wh.NAME'");
      }
      break;
    case S_IFDIR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    default:
      return Invalid("it is of no known type");
  }
  return tree.Put(place, std::move(node));
}

Status ImageBuilder::State::AddEntry(TarReader& reader, const TarEntry& entry) {
  LOCKET_TRY_ASSIGN(const NameKind kind, KindOf(entry.path));
  // AUFS's files are the targets of hard links (`.wh..wh.plnk`), so they are kept until the end.
  const bool is_marker = kind == NameKind::kWhiteout || kind == NameKind::kOpaque;
  if (is_marker) return AddMarker(entry, kind);
  return entry.hard_link_to.has_value() ? AddHardLink(entry) : AddFile(reader, entry);
}

Status ImageBuilder::AddTar(PieceSource tar) {
  TarReader reader(std::move(tar));
  while (true) {
    LOCKET_TRY_ASSIGN(const auto entry, reader.Next());
    if (!entry.has_value()) return reader.Drain();
    auto added = state_->AddEntry(reader, *entry);
    // Not by LOCKET_TRY: a million good names need no quoting.
    if (!added.ok()) return std::move(added).While("entry " + QuotedName(entry->path));
  }
}

Result<ImageInfo> ImageBuilder::Finish(const std::array<std::byte, 16>& uuid,
                                       const LowerDirectories* lower) {
  State& state = *state_;
  LOCKET_TRY(Materialize(state.tree, state.xattrs, lower));
  LOCKET_TRY(state.spool.Flush());
  LOCKET_TRY(state.writer.Flush());
  LOCKET_TRY_ASSIGN(
      ImageInfo image,
      WriteMetadata({.tree = state.tree, .xattrs = state.xattrs, .spool = state.spool}, uuid,
                    state.writer, state.sink));
  image.ignored_xattrs = state.ignored_xattrs;
  return image;
}

}  // namespace locket::erofs
