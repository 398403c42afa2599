#include "cli/stop_on_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace locket::cli {
namespace {

constexpr int kInterrupted = 130;  // as a shell counts a death by SIGINT

}  // namespace

Result<std::unique_ptr<StopOnSignal>> StopOnSignal::Start(const Context& context) {
  LOCKET_TRY_ASSIGN(UniqueFd signals, context.catch_signals());
  UniqueFd end(::eventfd(0, EFD_CLOEXEC));
  if (!end.valid()) return Error::FromErrno(errno, "eventfd");
  return std::unique_ptr<StopOnSignal>(new StopOnSignal(std::move(signals), std::move(end)));
}

bool StopOnSignal::WaitForSignal() const {
  std::array<pollfd, 2> fds{pollfd{signals_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
  while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents != 0) return false;
  // Takes it off the descriptor; what is left there is another one.
  std::array<std::byte, sizeof(signalfd_siginfo)> taken{};
  return ::read(signals_.get(), taken.data(), taken.size()) > 0;
}

StopOnSignal::StopOnSignal(UniqueFd signals, UniqueFd end)
    : signals_(std::move(signals)), end_(std::move(end)), thread_([this] {
        while (WaitForSignal()) {
          if (!source_.request_stop()) ::_exit(kInterrupted);
        }
      }) {}

StopOnSignal::~StopOnSignal() {
  ::eventfd_write(end_.get(), 1);  // a fresh one takes it
  thread_.join();
}

}  // namespace locket::cli
