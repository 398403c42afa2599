#include "device/mounted.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"

namespace locket::device {

Result<Mounted> Mounted::Create(MountControl& control, const MountSpec& spec) {
  if (::mkdir(spec.target.c_str(), 0700) != 0) {
    return Error::FromErrno(errno, "make directory '" + spec.target + "'");
  }
  if (Status mounted = control.Mount(spec); !mounted.ok()) {
    ::rmdir(spec.target.c_str());
    return std::move(mounted).error();
  }
  return Mounted(control, spec.target);
}

Mounted::~Mounted() {
  MountControl* const control = control_;
  Status done = Unmount();
  // Whoever uses it lets go some time, and then it goes.
  if (!done.ok() && done.error().code() == ErrorCode::kFailedPrecondition) {
    done = control->Detach(target_);
    if (done.ok()) done = RemoveDirectory();
  }
  if (!done.ok()) log::Warning(done.error().message() + ", leaving it");
}

Status Mounted::Unmount() {
  MountControl* control = std::exchange(control_, nullptr);
  if (control == nullptr) return Ok();
  LOCKET_TRY(control->Unmount(target_));
  return RemoveDirectory();
}

Status Mounted::RemoveDirectory() const {
  if (::rmdir(target_.c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove directory '" + target_ + "'");
  }
  return Ok();
}

}  // namespace locket::device
