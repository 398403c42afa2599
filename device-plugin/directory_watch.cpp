#include "device-plugin/directory_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace locket::device_plugin {
namespace {

constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                             IN_MOVE_SELF | IN_ONLYDIR;

}  // namespace

Result<DirectoryWatch> DirectoryWatch::Open(std::filesystem::path directory) {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd.valid()) {
    return Error::FromErrno(errno, "inotify (see fs.inotify.max_user_instances)");
  }
  return DirectoryWatch(std::move(fd), std::move(directory));
}

void DirectoryWatch::Forget() {
  std::array<char, 4096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {
  }
}

Result<bool> DirectoryWatch::Rearm() {
  Forget();
  std::filesystem::path path = directory_;
  while (true) {
    const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), kEvents);
    if (watch < 0 && errno == ENOENT && path.has_relative_path()) {
      path = path.parent_path();
      continue;
    }
    if (watch < 0) return Error::FromErrno(errno, "watch '" + path.string() + "'");
    // The kernel has dropped it already if its directory is gone.
    if (const int old = std::exchange(watched_, watch); old >= 0 && old != watch) {
      ::inotify_rm_watch(fd_.get(), old);
    }
    if (path == directory_) return true;
    // What came into being since the attempt is not told.
    if (std::filesystem::exists(path / *directory_.lexically_relative(path).begin())) {
      path = directory_;
      continue;
    }
    return false;
  }
}

}  // namespace locket::device_plugin
