#include "base/signals.h"

#include <sys/signalfd.h>

#include <cerrno>

namespace locket {

Result<UniqueFd> CatchSignals(std::initializer_list<int> signals, int flags, sigset_t* before) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  const int failed = ::pthread_sigmask(SIG_BLOCK, &set, before);
  if (failed != 0) return Error::FromErrno(failed, "block signals");
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | flags));
  if (!fd.valid()) return Error::FromErrno(errno, "signalfd");
  return fd;
}

}  // namespace locket
