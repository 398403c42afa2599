#include "base/no_sigpipe.h"

#include <ctime>

namespace locket {

NoSigpipe::NoSigpipe() {
  ::sigemptyset(&pipe_);
  ::sigaddset(&pipe_, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
}

NoSigpipe::~NoSigpipe() {
  if (::sigismember(&before_, SIGPIPE) == 1) return;
  constexpr timespec kNow{};
  while (::sigtimedwait(&pipe_, nullptr, &kNow) == SIGPIPE) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace locket
