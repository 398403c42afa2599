#include "device/kernel_mount_control.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace locket::device {
namespace {

// 0 or the errno.
int MountNow(const MountSpec& spec) {
  unsigned long flags = 0;
  if (spec.read_only) flags |= MS_RDONLY;
  if (spec.nodev) flags |= MS_NODEV;
  if (spec.nosuid) flags |= MS_NOSUID;
  return ::mount(spec.source.c_str(), spec.target.c_str(), spec.type.c_str(), flags,
                 spec.data.c_str()) == 0
             ? 0
             : errno;
}

// On a thread that has a working directory of its own, so that nobody else's changes (unshare(2),
// CLONE_FS).
int MountFrom(const std::string& directory, const MountSpec& spec) {
  int error = 0;
  std::thread([&] {
    error = ::unshare(CLONE_FS) == 0 && ::chdir(directory.c_str()) == 0 ? MountNow(spec) : errno;
  }).join();
  return error;
}

Status UnmountBy(const std::string& target, int flags) {
  if (::umount2(target.c_str(), UMOUNT_NOFOLLOW | flags) == 0) return Ok();
  const int error = errno;
  // EINVAL: not a mount point (umount(2)); ENOENT: not even a directory any more.
  if (error == EINVAL || error == ENOENT) return Ok();
  if (error == EBUSY) {
    return Error(ErrorCode::kFailedPrecondition, "unmount '" + target + "': it is in use");
  }
  return Error::FromErrno(error, "unmount '" + target + "'");
}

}  // namespace

Status KernelMountControl::Mount(const MountSpec& spec) {
  const std::string doing =
      "mount " + spec.type + " '" + spec.source + "' on '" + spec.target + "'";
  LOCKET_TRY(CheckMountData(spec).While(doing));
  const int error = spec.relative_to.empty() ? MountNow(spec) : MountFrom(spec.relative_to, spec);
  if (error != 0) return Error::FromErrno(error, doing);
  return Ok();
}

Status KernelMountControl::Unmount(const std::string& target) { return UnmountBy(target, 0); }

Status KernelMountControl::Detach(const std::string& target) {
  return UnmountBy(target, MNT_DETACH);
}

}  // namespace locket::device
