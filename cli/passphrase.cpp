#include "cli/passphrase.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>

#include "base/encoding.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace locket::cli {
namespace {

constexpr size_t kMaxLine =
    4096;  // of a terminal in canonical mode, line feed included (termios(3))

// A terminal that shows nothing of what is typed, until it goes out of scope.
class Unseen {
 public:
  static Result<Unseen> Start(int terminal) {
    termios before{};
    if (::tcgetattr(terminal, &before) != 0) {
      return Error(ErrorCode::kFailedPrecondition, "ask for the passphrase: not a terminal");
    }
    termios unseen = before;
    unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    unseen.c_lflag |= ECHONL;
    // Either would leave the shell a terminal without echo.
    unseen.c_cc[VSUSP] = _POSIX_VDISABLE;
    unseen.c_cc[VQUIT] = _POSIX_VDISABLE;
    // Drops what was typed too early, and so was seen.
    if (::tcsetattr(terminal, TCSAFLUSH, &unseen) != 0) {
      return Error::FromErrno(errno, "ask for the passphrase: turn echo off");
    }
    return Unseen(terminal, before);
  }
  Unseen(Unseen&& other) noexcept
      : terminal_(std::exchange(other.terminal_, -1)), before_(other.before_) {}
  Unseen& operator=(Unseen&&) = delete;
  ~Unseen() {
    if (terminal_ >= 0) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }

 private:
  Unseen(int terminal, const termios& before) : terminal_(terminal), before_(before) {}

  int terminal_;
  termios before_;
};

// Ok once there is something to read.
Status WaitFor(int terminal, int stopped) {
  std::array<pollfd, 2> fds{pollfd{terminal, POLLIN, 0}, pollfd{stopped, POLLIN, 0}};
  while (::poll(fds.data(), fds.size(), -1) < 0) {
    if (errno != EINTR) return Error::FromErrno(errno, "poll");
  }
  if (fds[1].revents != 0) return Error(ErrorCode::kCancelled, "interrupted");
  return Ok();
}

Result<Secret> ReadLine(int terminal, int stopped) {
  Secret line(kMaxLine);
  size_t done = 0;
  while (done < kMaxLine) {
    LOCKET_TRY(WaitFor(terminal, stopped));
    const auto rest = line.Reveal().subspan(done);
    const ssize_t n = ::read(terminal, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "read the passphrase");
    done += static_cast<size_t>(n);
    const bool ended = n == 0 || line.Reveal()[done - 1] == std::byte{'\n'};
    if (!ended) continue;
    if (n > 0) --done;
    if (done == 0) return Error(ErrorCode::kInvalidArgument, "no passphrase was typed");
    Secret passphrase(done);
    std::ranges::copy(line.Reveal().first(done), passphrase.Reveal().begin());
    return passphrase;
  }
  return Error(ErrorCode::kInvalidArgument, "the passphrase is longer than 4095 bytes");
}

}  // namespace

Result<Secret> AskPassphrase(int terminal, const std::string& prompt, const std::stop_token& stop) {
  const UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
  if (!stopped.valid()) return Error::FromErrno(errno, "eventfd");
  const std::stop_callback on_stop(stop, [&stopped] {
    ::eventfd_write(stopped.get(), 1);  // a fresh one takes it
  });
  LOCKET_TRY_ASSIGN(const Unseen unseen, Unseen::Start(terminal));
  LOCKET_TRY(WriteFull(terminal, AsBytes(prompt)).While("ask for the passphrase"));
  auto typed = ReadLine(terminal, stopped.get());
  // Whoever gave up is shown the reason on a line of its own.
  if (!typed.ok()) LOCKET_TRY(WriteFull(terminal, AsBytes("\n")));
  return typed;
}

}  // namespace locket::cli
