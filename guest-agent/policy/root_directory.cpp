#include "guest-agent/policy/root_directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <ranges>
#include <utility>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

// The steps of `path`, the first one last.
void PushSteps(const std::string& path, std::vector<std::string>& steps) {
  std::vector<std::string> forward;
  for (const auto& step : std::filesystem::path(path).relative_path()) forward.push_back(step);
  steps.insert(steps.end(), forward.rbegin(), forward.rend());
}

Result<std::string> ReadLink(int link) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
  if (size < 0) return Error::FromErrno(errno, "read a link");
  return std::string(target.data(), static_cast<size_t>(size));
}

// Returns the file's mode; 0, which no file has, if it cannot be read.
mode_t ModeOf(int fd) {
  struct stat found {};
  return ::fstat(fd, &found) == 0 ? found.st_mode : 0;
}

// What lies at the absolute `path`, and where in that directory.
std::pair<const RootDirectory*, std::string> Locate(const RootDirectory& root,
                                                    const std::vector<DirectoryMount>& mounts,
                                                    const std::string& path) {
  for (const DirectoryMount& mount : mounts | std::views::reverse) {
    if (path == mount.at) return {&mount.directory, "/"};
    if (path.starts_with(mount.at + "/")) {
      return {&mount.directory, path.substr(mount.at.size())};
    }
  }
  return {&root, path};
}

}  // namespace

Result<RootDirectory> RootDirectory::Open(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, locket::OpenFile(path, O_PATH | O_DIRECTORY));
  return RootDirectory(std::move(fd));
}

Result<UniqueFd> RootDirectory::Look(const std::string& path, uint64_t flags) const {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd found(
      static_cast<int>(::syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof how)));
  if (found.valid()) return found;
  const int saved_errno = errno;
  if (saved_errno == ENOTDIR) return Error(ErrorCode::kNotFound, "'" + path + "': not there");
  return Error::FromErrno(saved_errno, "open '" + path + "' in the image");
}

Result<UniqueFd> RootDirectory::OpenFile(const std::string& path) const {
  LOCKET_TRY_ASSIGN(const UniqueFd found, Look(path, 0));
  if (!S_ISREG(ModeOf(found.get()))) {
    return Error(ErrorCode::kInvalidArgument, "'" + path + "' is no regular file");
  }
  // The file that was looked at, whatever has its name by now.
  return locket::OpenFile("/proc/self/fd/" + std::to_string(found.get()), O_RDONLY);
}

Result<std::string> RootDirectory::ReadFile(const std::string& path, size_t max_bytes) const {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(path));
  return locket::ReadFile("/proc/self/fd/" + std::to_string(file.get()), max_bytes)
      .While("read '" + path + "' of the image");
}

Result<std::string> RootDirectory::Resolve(const std::string& path) const {
  return Resolve(path, {});
}

Result<std::string> RootDirectory::Resolve(const std::string& path,
                                           const std::vector<DirectoryMount>& mounts) const {
  std::vector<std::string> steps;
  PushSteps(path, steps);
  std::filesystem::path resolved = "/";
  int links = 0;
  while (!steps.empty()) {
    const std::string step = std::move(steps.back());
    steps.pop_back();
    if (step.empty() || step == ".") continue;
    if (step == "..") {
      resolved = resolved.parent_path();
      continue;
    }
    const auto next = resolved / step;
    const auto [directory, inside] = Locate(*this, mounts, next.string());
    const auto found = directory->Look(inside, O_NOFOLLOW);
    if (!found.ok() && found.error().code() != ErrorCode::kNotFound) return found.error();
    const bool is_link = found.ok() && S_ISLNK(ModeOf(found->get()));
    if (!is_link) {
      resolved = next;
      continue;
    }
    if (++links > kMaxLinks) {
      return Error(ErrorCode::kInvalidArgument, "'" + path + "' goes through too many links");
    }
    LOCKET_TRY_ASSIGN(const std::string target, ReadLink(found->get()));
    if (target.starts_with('/')) resolved = "/";
    PushSteps(target, steps);
  }
  return resolved.string();
}

}  // namespace locket::guest_agent
