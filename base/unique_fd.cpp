#include "base/unique_fd.h"

#include <unistd.h>

#include <cerrno>

namespace locket {

void UniqueFd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  const int saved_errno = errno;
  // Not retried on EINTR: Linux has freed the number already, and another thread may own it by now.
  ::close(old);
  errno = saved_errno;
}

}  // namespace locket
