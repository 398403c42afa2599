#include "device/kernel_mount_control.h"

#include <sys/mount.h>

#include <cerrno>

namespace locket::device {

Status KernelMountControl::Mount(const MountSpec& spec) {
  unsigned long flags = 0;
  if (spec.read_only) flags |= MS_RDONLY;
  if (spec.nodev) flags |= MS_NODEV;
  if (spec.nosuid) flags |= MS_NOSUID;
  if (::mount(spec.source.c_str(), spec.target.c_str(), spec.type.c_str(), flags,
              spec.data.c_str()) != 0) {
    return Error::FromErrno(
        errno, "mount " + spec.type + " '" + spec.source + "' on '" + spec.target + "'");
  }
  return Ok();
}

Status KernelMountControl::Unmount(const std::string& target) {
  if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0) return Ok();
  const int error = errno;
  // EINVAL: not a mount point (umount(2)); ENOENT: not even a directory any more.
  if (error == EINVAL || error == ENOENT) return Ok();
  if (error == EBUSY) {
    return Error(ErrorCode::kFailedPrecondition, "unmount '" + target + "': it is in use");
  }
  return Error::FromErrno(error, "unmount '" + target + "'");
}

}  // namespace locket::device
