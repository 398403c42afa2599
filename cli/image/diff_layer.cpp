#include "cli/image/diff_layer.h"

#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/encoding.h"
#include "cli/image/tree_path.h"
#include "image/oci/digest.h"

namespace locket::cli {
namespace {

using erofs::ImageReader;
using erofs::Inode;

std::string TypeOf(const Inode& inode) {
  if (erofs::IsWhiteout(inode)) return "whiteout";
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "character device";
    case S_IFBLK:
      return "block device";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

std::string ModeOf(const Inode& inode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", inode.mode & 07777U);
  return text.data();
}

std::string OwnerOf(const Inode& inode) {
  return std::to_string(inode.uid) + ":" + std::to_string(inode.gid);
}

std::string TimeOf(const Inode& inode) {
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%09u", inode.mtime_nsec);
  return std::to_string(inode.mtime) + fraction.data();
}

Result<image::Digest> ContentDigest(const ImageReader& image, const Inode& file,
                                    const std::stop_token& stop) {
  image::DigestHasher hasher;
  LOCKET_TRY(image.Read(file, [&](std::span<const std::byte> piece) -> Status {
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
    hasher.Update(piece);
    return Ok();
  }));
  return hasher.Finish();
}

// The names of the one and of the other, merged.
struct Pair {
  std::optional<uint64_t> a{};
  std::optional<uint64_t> b{};
};
std::map<std::string, Pair> Merge(const std::vector<erofs::NamedNode>& a,
                                  const std::vector<erofs::NamedNode>& b) {
  std::map<std::string, Pair> merged;
  for (const auto& entry : a) merged[entry.name].a = entry.nid;
  for (const auto& entry : b) merged[entry.name].b = entry.nid;
  return merged;
}

class Differ {
 public:
  Differ(const ImageReader& a, const ImageReader& b,
         const std::function<Status(const LayerDifference&)>& found, const std::stop_token& stop)
      : a_(a), b_(b), found_(found), stop_(stop) {}

  Status Run() {
    LOCKET_TRY(Both(a_.root(), b_.root()));
    if (count_ > 0 || moved_.empty()) return Ok();
    return found_({.path = moved_,
                   .what = "order",
                   .a = "the files are the same, but the tars list them in another order;",
                   .b = "this is the first one whose content lies elsewhere"});
  }

 private:
  Status Report(const std::string& what, const std::string& a = {}, const std::string& b = {}) {
    ++count_;
    return found_({.path = path_.Text(), .what = what, .a = a, .b = b});
  }
  Status Compare(const std::string& what, const std::string& a, const std::string& b) {
    return a == b ? Ok() : Report(what, a, b);
  }

  Status Both(uint64_t nid_a, uint64_t nid_b);
  Status Attributes(const Inode& a, const Inode& b);
  Status Xattrs(const Inode& a, const Inode& b);
  Status Content(const Inode& a, const Inode& b);
  Status Links(const Inode& a, const Inode& b);
  Status Children(const Inode& a, const Inode& b);
  Status Child(const Pair& pair);

  const ImageReader& a_;
  const ImageReader& b_;
  const std::function<Status(const LayerDifference&)>& found_;
  const std::stop_token& stop_;
  TreePath path_{};
  uint64_t count_ = 0;
  std::string moved_{};  // the first file whose content lies elsewhere
  std::set<uint64_t> directories_{};
  std::map<uint64_t, std::string> first_a_{};  // names of files with several
  std::map<uint64_t, std::string> first_b_{};
};

Status Differ::Both(uint64_t nid_a, uint64_t nid_b) {
  LOCKET_TRY_ASSIGN(const Inode a, a_.Stat(nid_a));
  LOCKET_TRY_ASSIGN(const Inode b, b_.Stat(nid_b));
  if (TypeOf(a) != TypeOf(b)) return Report("type", TypeOf(a), TypeOf(b));
  LOCKET_TRY(Attributes(a, b));
  LOCKET_TRY(Xattrs(a, b));
  if (S_ISREG(a.mode)) LOCKET_TRY(Content(a, b));
  if (!S_ISDIR(a.mode)) return Links(a, b);
  return Children(a, b);
}

Status Differ::Attributes(const Inode& a, const Inode& b) {
  LOCKET_TRY(Compare("mode", ModeOf(a), ModeOf(b)));
  LOCKET_TRY(Compare("owner", OwnerOf(a), OwnerOf(b)));
  LOCKET_TRY(Compare("mtime", TimeOf(a), TimeOf(b)));
  LOCKET_TRY(Compare("device", std::to_string(a.rdev), std::to_string(b.rdev)));
  if (!S_ISLNK(a.mode)) return Ok();
  LOCKET_TRY_ASSIGN(const std::string target_a, a_.Target(a));
  LOCKET_TRY_ASSIGN(const std::string target_b, b_.Target(b));
  return Compare("symlink target", target_a, target_b);
}

Status Differ::Xattrs(const Inode& a, const Inode& b) {
  LOCKET_TRY_ASSIGN(const auto in_a, a_.Xattrs(a));
  LOCKET_TRY_ASSIGN(const auto in_b, b_.Xattrs(b));
  std::set<std::string> names;
  for (const auto& [name, value] : in_a) names.insert(name);
  for (const auto& [name, value] : in_b) names.insert(name);
  const auto text = [](const erofs::XattrSet& set, const std::string& name) {
    const auto found = set.find(name);
    return found == set.end() ? std::string("none") : "0x" + HexEncode(AsBytes(found->second));
  };
  for (const auto& name : names) {
    LOCKET_TRY(Compare("xattr " + name, text(in_a, name), text(in_b, name)));
  }
  return Ok();
}

Status Differ::Content(const Inode& a, const Inode& b) {
  if (a.size != b.size) {
    return Report("size", std::to_string(a.size), std::to_string(b.size));
  }
  LOCKET_TRY_ASSIGN(const auto digest_a, ContentDigest(a_, a, stop_));
  LOCKET_TRY_ASSIGN(const auto digest_b, ContentDigest(b_, b, stop_));
  if (a.first_block != b.first_block && moved_.empty()) moved_ = path_.Text();
  return Compare("content", digest_a.ToText(), digest_b.ToText());
}

// Two names of one file there, and of two files here, look alike otherwise.
Status Differ::Links(const Inode& a, const Inode& b) {
  const auto first_of = [&](std::map<uint64_t, std::string>& names, const Inode& inode) {
    if (inode.links < 2) return path_.Text();
    return names.emplace(inode.nid, path_.Text()).first->second;
  };
  const std::string first_a = first_of(first_a_, a);
  const std::string first_b = first_of(first_b_, b);
  const auto text = [&](const std::string& first) {
    return first == path_.Text() ? std::string("a separate file") : "a link to " + first;
  };
  return Compare("hard link", text(first_a), text(first_b));
}

Status Differ::Children(const Inode& a, const Inode& b) {
  if (!directories_.insert(a.nid).second) {
    return Error(ErrorCode::kDataLoss, "EROFS image: a directory is in two places");
  }
  LOCKET_TRY_ASSIGN(const auto names_a, a_.List(a));
  LOCKET_TRY_ASSIGN(const auto names_b, b_.List(b));
  for (const auto& [name, pair] : Merge(names_a, names_b)) {
    LOCKET_TRY(path_.Enter(name));
    LOCKET_TRY(Child(pair));
    path_.Leave();
  }
  return Ok();
}

// What is below a name that only one has is not listed.
Status Differ::Child(const Pair& pair) {
  if (pair.a && pair.b) return Both(*pair.a, *pair.b);
  LOCKET_TRY_ASSIGN(const Inode inode, pair.a ? a_.Stat(*pair.a) : b_.Stat(*pair.b));
  return pair.a ? Report("only in A", TypeOf(inode), "") : Report("only in B", "", TypeOf(inode));
}

}  // namespace

Status DiffLayers(const ImageReader& a, const ImageReader& b,
                  const std::function<Status(const LayerDifference&)>& found,
                  const std::stop_token& stop) {
  return Differ(a, b, found, stop).Run();
}

}  // namespace locket::cli
