// The only place that reads argv, the environment and signals.
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "base/file.h"
#include "cli/passphrase.h"
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

// The terminal itself, as standard error may go elsewhere.
locket::Result<locket::Secret> AskAtTerminal(const std::string& prompt,
                                             const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(const locket::UniqueFd terminal, locket::OpenFile("/dev/tty", O_RDWR));
  return locket::cli::AskPassphrase(terminal.get(), prompt, stop);
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
  if (::isatty(STDIN_FILENO) == 1) context.ask_passphrase = AskAtTerminal;
  return locket::cli::Run({argv + 1, argv + argc}, context);
}
