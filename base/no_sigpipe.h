// For whoever calls code that writes with write(2) to a peer which may be gone.
#pragma once

#include <signal.h>

namespace locket {

// While it lives, SIGPIPE does not reach this thread, whatever the process does with the signal;
// one that came is taken away. Belongs to the thread that made it.
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
