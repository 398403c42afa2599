// Protection from SIGPIPE around calls into libraries that use write(2) on a socket or pipe, such
// as OpenSSL: a peer that is gone shall be EPIPE, and not the end of the process.
#pragma once

#include <signal.h>

namespace locket {

// While it lives, SIGPIPE is blocked in the thread that made it. At its end a SIGPIPE that came
// meanwhile is discarded (unless the signal was blocked before), and the mask is as it was. Other
// threads, and what the process does with the signal, are not touched. Make and destroy it in one
// thread.
class NoSigpipe {
 public:
  NoSigpipe();
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe();

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

}  // namespace locket
