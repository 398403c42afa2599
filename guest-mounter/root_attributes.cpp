#include "guest-mounter/root_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace locket::guest_mounter {
namespace {

constexpr size_t kMaxXattrBytes = 65536;  // of names, and of one value (xattr(7))

// What overlayfs copies or fails (ovl_must_copy_xattr, fs/overlayfs/copy_up.c).
bool DecidesAccess(std::string_view name) {
  return name.starts_with("security.") || name == "system.posix_acl_access" ||
         name == "system.posix_acl_default";
}

bool IsLackOfRoom(int error) { return error == ENOSPC || error == EDQUOT || error == E2BIG; }

Error CannotKeep(const std::string& name, size_t num_bytes, int error) {
  const std::string what = "attribute '" + name + "' (" + std::to_string(num_bytes) +
                           " bytes) of the image's root directory";
  if (!IsLackOfRoom(error)) return Error::FromErrno(error, "set " + what);
  return {ErrorCode::kResourceExhausted,
          "no room for " + what +
              ": a scratch disk keeps 4096 bytes of a directory's attributes, and a full one none. "
              "Give the pod a larger scratch (scratch_mib), or the image a smaller attribute"};
}

// The names, one after the other, each with its NUL.
Result<std::string> ListXattrs(const std::string& path) {
  std::string names(kMaxXattrBytes, '\0');
  const ssize_t size = ::listxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && errno != EOPNOTSUPP) {
    return Error::FromErrno(errno, "list the attributes of '" + path + "'");
  }
  names.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return names;
}

Status CopyXattrs(const std::string& from, const std::string& to, const SetXattr& set) {
  LOCKET_TRY_ASSIGN(const std::string names, ListXattrs(from));
  std::vector<char> value(kMaxXattrBytes);
  int left_out = 0;
  for (size_t at = 0; at < names.size();) {
    const std::string name = names.data() + at;
    at += name.size() + 1;
    if (name.starts_with("trusted.overlay.")) continue;
    const ssize_t length = ::getxattr(from.c_str(), name.c_str(), value.data(), value.size());
    if (length < 0) return Error::FromErrno(errno, "read '" + name + "' of '" + from + "'");
    const auto num_bytes = static_cast<size_t>(length);
    if (set(to, name, value.data(), num_bytes) == 0) continue;
    const int error = errno;
    if (DecidesAccess(name) || !(IsLackOfRoom(error) || error == EOPNOTSUPP)) {
      return CannotKeep(name, num_bytes, error);
    }
    ++left_out;
  }
  if (left_out > 0) {
    log::Warning("the image's root directory goes without attributes that cannot be kept here",
                 {{"attributes", left_out}});
  }
  return Ok();
}

}  // namespace

int KernelSetXattr(const std::string& path, const std::string& name, const void* value,
                   size_t num_bytes) {
  return ::setxattr(path.c_str(), name.c_str(), value, num_bytes, 0);
}

Status CopyRootAttributes(const std::string& from, const std::string& to, const SetXattr& set) {
  LOCKET_TRY(CopyXattrs(from, to, set));
  struct stat status {};
  if (::stat(from.c_str(), &status) != 0) return Error::FromErrno(errno, "stat '" + from + "'");
  const timespec times[] = {status.st_atim, status.st_mtim};
  if (::chown(to.c_str(), status.st_uid, status.st_gid) != 0 ||
      ::chmod(to.c_str(), status.st_mode & 07777) != 0 ||
      ::utimensat(AT_FDCWD, to.c_str(), times, 0) != 0) {
    return Error::FromErrno(errno, "give '" + to + "' the attributes of '" + from + "'");
  }
  return Ok();
}

}  // namespace locket::guest_mounter
