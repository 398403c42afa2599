#include "guest-agent/console_pump.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

constexpr auto kPause = std::chrono::milliseconds(5);

// What the host sends is nothing to us: it cannot stop the output by XOFF, and is not echoed.
void IgnoreInput(int console) {
  termios settings{};
  if (::tcgetattr(console, &settings) != 0) return;  // not a terminal
  settings.c_iflag = IGNBRK | IGNPAR;
  settings.c_lflag = 0;
  settings.c_cflag &= ~static_cast<tcflag_t>(CREAD | CRTSCTS);
  (void)::tcsetattr(console, TCSANOW, &settings);
}

[[noreturn]] void Pump(int from, int console) {
  IgnoreInput(console);
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    (void)WriteFull(console, std::span(buffer).first(static_cast<size_t>(got)));
  }
  (void)::tcdrain(console);
  ::_exit(0);
}

Status Become(int fd, int number) {
  if (::dup2(fd, number) == number) return Ok();
  return Error::FromErrno(errno, "replace descriptor " + std::to_string(number));
}

}  // namespace

Result<ConsolePump> ConsolePump::Start(UniqueFd console) {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "make a pipe");
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  if (::fcntl(writer.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Error::FromErrno(errno, "set up the console's pipe");
  }
  const pid_t pid = ::fork();
  if (pid < 0) return Error::FromErrno(errno, "fork");
  if (pid == 0) {
    ::close(ends[1]);
    ::close(STDOUT_FILENO);
    ::close(STDERR_FILENO);
    Pump(reader.get(), console.get());
  }
  LOCKET_TRY(Become(writer.get(), STDOUT_FILENO));
  LOCKET_TRY(Become(writer.get(), STDERR_FILENO));
  return ConsolePump(pid);
}

bool ConsolePump::Finish(std::chrono::milliseconds timeout) {
  const auto null = OpenFile("/dev/null", O_RDWR);
  for (const int number : {STDOUT_FILENO, STDERR_FILENO}) {
    if (null.ok()) {
      (void)Become(null->get(), number);
    } else {
      ::close(number);
    }
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace locket::guest_agent
