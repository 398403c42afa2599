#include "cli/image/extract_layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"
#include "cli/image/tree_path.h"

namespace locket::cli {
namespace {

constexpr mode_t kOwnDirectory = 0700;
constexpr mode_t kPermissions = 07777;
constexpr std::string_view kOverlayPrefix = "trusted.overlay.";

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The kernel's new_encode_dev() undone.
dev_t DeviceOf(uint32_t rdev) {
  return ::makedev((rdev & 0xfff00U) >> 8, (rdev & 0xffU) | (rdev >> 12 & 0xfff00U));
}

Result<UniqueFd> OpenDirectory(int parent, const std::string& name) {
  UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno(errno, "open directory");
  return fd;
}

// Nothing: there is no such name.
Result<std::optional<mode_t>> ModeOf(int directory, const std::string& name) {
  struct stat status {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return std::optional(status.st_mode);
  }
  if (errno == ENOENT) return std::optional<mode_t>();
  return Error::FromErrno(errno, "stat");
}

Result<std::vector<std::string>> NamesIn(int directory) {
  UniqueFd again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again.valid()) return Error::FromErrno(errno, "open directory");
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(again.get()));
  if (stream == nullptr) return Error::FromErrno(errno, "read directory");
  static_cast<void>(again.release());  // the stream's now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return Error::FromErrno(errno, "read directory");
  return names;
}

// What a lower layer's directory of this name had.
Status ClearXattrs(const std::string& path) {
  std::vector<char> list(64U << 10);  // XATTR_LIST_MAX
  const ssize_t size = ::llistxattr(path.c_str(), list.data(), list.size());
  if (size < 0 && errno == ENOTSUP) return Ok();
  if (size < 0) return Error::FromErrno(errno, "list xattrs");
  for (std::string_view rest(list.data(), static_cast<size_t>(size)); !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(name.size() + 1);
    // Labels are the system's to give and take.
    if (name == "security.selinux") continue;
    if (::lremovexattr(path.c_str(), name.c_str()) != 0) {
      return Error::FromErrno(errno, "remove xattr '" + name + "'");
    }
  }
  return Ok();
}

Status RemoveContent(int directory) {
  LOCKET_TRY_ASSIGN(const auto names, NamesIn(directory));
  for (const auto& name : names) LOCKET_TRY(RemoveTree(directory, name));
  return Ok();
}

class Extractor {
 public:
  Extractor(const erofs::ImageReader& image, int root, const ExtractLayerOptions& options,
            ExtractReport& report)
      : image_(image), root_(root), options_(options), report_(report) {}

  Status Run() {
    LOCKET_TRY_ASSIGN(here_, OpenDirectory(root_, "."));
    LOCKET_TRY_ASSIGN(const auto root, image_.Stat(image_.root()));
    auto done = Fill(root);
    if (done.ok()) done = SetAttributes(".", root);
    return std::move(done).While("'" + path_.Text() + "'");
  }

 private:
  Status CheckStop() const {
    if (!options_.stop.stop_requested()) return Ok();
    return Error(ErrorCode::kCancelled, "interrupted");
  }
  // Puts what the layer has in this directory into the one open as `here_`.
  Status Fill(const erofs::Inode& inode);
  Status Child(const erofs::NamedNode& child);
  Status EnterDirectory(const std::string& name, const erofs::Inode& inode);
  Status Leaf(const std::string& name, const erofs::Inode& inode);
  Status Make(const std::string& name, const erofs::Inode& inode);
  Status MakeFile(const std::string& name, const erofs::Inode& inode);
  Status SetAttributes(const std::string& name, const erofs::Inode& inode);
  Status SetXattrs(const std::string& name, const erofs::Inode& inode);

  const erofs::ImageReader& image_;
  const int root_;
  const ExtractLayerOptions options_;
  ExtractReport& report_;
  // No two files that sealing lays out share their blocks; of an image by somebody else that did, a
  // small one would fill the disk.
  uint64_t data_left_ = image_.image_bytes();
  UniqueFd here_{};
  TreePath path_{};
  std::set<uint64_t> directories_{};
  std::map<uint64_t, std::string> first_names_{};  // of files with several
};

Status Extractor::Fill(const erofs::Inode& inode) {
  if (!directories_.insert(inode.nid).second) {
    return Error(ErrorCode::kDataLoss, "EROFS image: a directory is in two places");
  }
  LOCKET_TRY_ASSIGN(const auto xattrs, image_.Xattrs(inode));
  if (erofs::IsOpaque(xattrs)) LOCKET_TRY(RemoveContent(here_.get()));
  LOCKET_TRY_ASSIGN(const auto children, image_.List(inode));
  for (const auto& child : children) {
    LOCKET_TRY(path_.Enter(child.name));
    LOCKET_TRY(Child(child));
    path_.Leave();  // not after an error: the message names where it was
  }
  return Ok();
}

Status Extractor::Child(const erofs::NamedNode& child) {
  LOCKET_TRY(CheckStop());
  LOCKET_TRY_ASSIGN(const auto inode, image_.Stat(child.nid));
  if (erofs::IsWhiteout(inode)) return RemoveTree(here_.get(), child.name);
  if (S_ISDIR(inode.mode)) return EnterDirectory(child.name, inode);
  return Leaf(child.name, inode);
}

Status Extractor::EnterDirectory(const std::string& name, const erofs::Inode& inode) {
  LOCKET_TRY_ASSIGN(const auto there, ModeOf(here_.get(), name));
  const bool is_directory = there && S_ISDIR(*there);
  if (there && !is_directory) LOCKET_TRY(RemoveTree(here_.get(), name));
  if (!is_directory && ::mkdirat(here_.get(), name.c_str(), kOwnDirectory) != 0) {
    return Error::FromErrno(errno, "make directory");
  }
  // A lower layer may have closed it to everybody but root.
  if (is_directory && ::fchmodat(here_.get(), name.c_str(), kOwnDirectory, 0) != 0) {
    return Error::FromErrno(errno, "chmod");
  }
  LOCKET_TRY_ASSIGN(here_, OpenDirectory(here_.get(), name));
  LOCKET_TRY(Fill(inode));
  // Back by "..", so that no depth of directories uses up the descriptors.
  LOCKET_TRY_ASSIGN(UniqueFd parent, OpenDirectory(here_.get(), ".."));
  LOCKET_TRY(SetAttributes(".", inode));
  here_ = std::move(parent);
  ++report_.files;
  return Ok();
}

Status Extractor::Leaf(const std::string& name, const erofs::Inode& inode) {
  LOCKET_TRY(RemoveTree(here_.get(), name));
  if (options_.rootless && (S_ISCHR(inode.mode) || S_ISBLK(inode.mode))) {
    ++report_.devices_left_out;
    return Ok();
  }
  ++report_.files;
  const auto first = first_names_.find(inode.nid);
  if (first != first_names_.end()) {
    if (::linkat(root_, first->second.c_str(), here_.get(), name.c_str(), 0) == 0) return Ok();
    return Error::FromErrno(errno, "link to '" + first->second + "'");
  }
  LOCKET_TRY(Make(name, inode));
  LOCKET_TRY(SetAttributes(name, inode));
  if (inode.links > 1) first_names_.emplace(inode.nid, path_.Relative());
  return Ok();
}

Status Extractor::Make(const std::string& name, const erofs::Inode& inode) {
  if (S_ISREG(inode.mode)) return MakeFile(name, inode);
  if (S_ISLNK(inode.mode)) {
    LOCKET_TRY_ASSIGN(const std::string target, image_.Target(inode));
    if (::symlinkat(target.c_str(), here_.get(), name.c_str()) == 0) return Ok();
    return Error::FromErrno(errno, "make symlink");
  }
  const bool special =
      S_ISCHR(inode.mode) || S_ISBLK(inode.mode) || S_ISFIFO(inode.mode) || S_ISSOCK(inode.mode);
  if (!special) return Error(ErrorCode::kDataLoss, "EROFS image: a file of an unknown type");
  const dev_t device = S_ISCHR(inode.mode) || S_ISBLK(inode.mode) ? DeviceOf(inode.rdev) : 0;
  if (::mknodat(here_.get(), name.c_str(), (inode.mode & S_IFMT) | 0600U, device) == 0) return Ok();
  const int saved_errno = errno;
  return Error::FromErrno(
      saved_errno, saved_errno == EPERM ? "make device (--rootless skips devices)" : "make device");
}

Status Extractor::MakeFile(const std::string& name, const erofs::Inode& inode) {
  const UniqueFd fd(::openat(here_.get(), name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error::FromErrno(errno, "make file");
  const uint64_t stored = image_.StoredBytes(inode);
  if (stored > data_left_) {
    return Error(ErrorCode::kDataLoss, "EROFS image: its files are larger than the image");
  }
  data_left_ -= stored;
  return image_.Read(inode, [&](std::span<const std::byte> piece) -> Status {
    LOCKET_TRY(CheckStop());
    return WriteFull(fd.get(), piece);
  });
}

// In this order: a change of owner takes set-user-ID bits and capabilities away, all others the
// times.
Status Extractor::SetAttributes(const std::string& name, const erofs::Inode& inode) {
  const char* text = name.c_str();
  if (!options_.rootless &&
      ::fchownat(here_.get(), text, inode.uid, inode.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set owner");
  }
  if (!S_ISLNK(inode.mode) && ::fchmodat(here_.get(), text, inode.mode & kPermissions, 0) != 0) {
    return Error::FromErrno(errno, "set mode");
  }
  LOCKET_TRY(SetXattrs(name, inode));
  const timespec time{.tv_sec = inode.mtime, .tv_nsec = static_cast<long>(inode.mtime_nsec)};
  const std::array<timespec, 2> times{time, time};
  if (::utimensat(here_.get(), text, times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set time");
  }
  return Ok();
}

Status Extractor::SetXattrs(const std::string& name, const erofs::Inode& inode) {
  LOCKET_TRY_ASSIGN(const auto xattrs, image_.Xattrs(inode));
  // There is no setxattrat(2) yet.
  const std::string path = "/proc/self/fd/" + std::to_string(here_.get()) + "/" + name;
  if (S_ISDIR(inode.mode)) LOCKET_TRY(ClearXattrs(path));
  for (const auto& [key, value] : xattrs) {
    if (key.starts_with(kOverlayPrefix)) continue;  // meant for overlayfs, and obeyed by now
    if (options_.rootless && (key.starts_with("trusted.") || key.starts_with("security."))) {
      ++report_.xattrs_left_out;
      continue;
    }
    if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) == 0) continue;
    const int saved_errno = errno;
    const bool unsupported = saved_errno == ENOTSUP;
    return Error::FromErrno(
        saved_errno, "set xattr '" + key + "'" +
                         (unsupported ? " (choose a directory on another file system)" : ""));
  }
  return Ok();
}

}  // namespace

Status RemoveTree(int directory, const std::string& name) {
  LOCKET_TRY_ASSIGN(const auto mode, ModeOf(directory, name));
  if (!mode) return Ok();
  if (!S_ISDIR(*mode)) {
    if (::unlinkat(directory, name.c_str(), 0) == 0) return Ok();
    return Error::FromErrno(errno, "remove");
  }
  if (::fchmodat(directory, name.c_str(), kOwnDirectory, 0) != 0) {
    return Error::FromErrno(errno, "chmod");
  }
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenDirectory(directory, name));
  LOCKET_TRY(RemoveContent(fd.get()));
  if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) return Ok();
  return Error::FromErrno(errno, "remove directory");
}

Status ExtractLayer(const erofs::ImageReader& image, int root, const ExtractLayerOptions& options,
                    ExtractReport& report) {
  return Extractor(image, root, options, report).Run();
}

}  // namespace locket::cli
