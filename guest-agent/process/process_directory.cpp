#include "guest-agent/process/process_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxMountInfoBytes = size_t{4} << 20;

// Whether mount `id` is in `mountinfo`, the text of proc(5), which has the mounts below a process's
// root directory: a line each, which begins with the mount's number.
bool Lists(std::string_view mountinfo, uint64_t id) {
  while (!mountinfo.empty()) {
    uint64_t one = 0;
    const auto [end, error] =
        std::from_chars(mountinfo.data(), mountinfo.data() + mountinfo.size(), one);
    if (error == std::errc() && one == id) return true;
    const auto newline = mountinfo.find('\n');
    if (newline == std::string_view::npos) return false;
    mountinfo.remove_prefix(newline + 1);
  }
  return false;
}

}  // namespace

Status CheckProcessDirectory(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  LOCKET_TRY_ASSIGN(const UniqueFd directory,
                    OpenFile(process + "/cwd", O_PATH | O_DIRECTORY).While("working directory"));
  struct statx found {};
  if (::statx(directory.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &found) != 0 ||
      (found.stx_mask & STATX_MNT_ID) == 0) {
    return Error::FromErrno(errno, "look at the working directory");
  }
  struct statfs file_system {};
  if (::fstatfs(directory.get(), &file_system) != 0) {
    return Error::FromErrno(errno, "look at the working directory's file system");
  }
  LOCKET_TRY_ASSIGN(const std::string mounts, ReadFile(process + "/mountinfo", kMaxMountInfoBytes));
  if (!Lists(mounts, found.stx_mnt_id)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the working directory leads out of the container: set another one");
  }
  if (file_system.f_type == PROC_SUPER_MAGIC) {
    return Error(ErrorCode::kFailedPrecondition,
                 "the working directory leads into /proc: set another one");
  }
  return Ok();
}

}  // namespace locket::guest_agent
