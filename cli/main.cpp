// The only place that reads argv, the environment and signals.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "cli/run.h"

namespace {

locket::Result<locket::UniqueFd> CatchSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  // Called before other threads start, which inherit the mask.
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return locket::Error::FromErrno(errno, "block signals");
  }
  locket::UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return locket::Error::FromErrno(errno, "signalfd");
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed registry connection is an error to report
  locket::cli::Context context{
      .out = std::cout,
      .err = std::cerr,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .environment = [](const std::string& name) -> std::optional<std::string> {
        const char* value = ::secure_getenv(name.c_str());
        if (value == nullptr || *value == '\0') return std::nullopt;
        return value;
      },
      .catch_signals = CatchSignals,
  };
  return locket::cli::Run({argv + 1, argv + argc}, context);
}
