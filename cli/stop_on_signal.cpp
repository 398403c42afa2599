#include "cli/stop_on_signal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace locket::cli {

Result<std::unique_ptr<StopOnSignal>> StopOnSignal::Start(const Context& context) {
  LOCKET_TRY_ASSIGN(UniqueFd signals, context.catch_signals());
  UniqueFd end(::eventfd(0, EFD_CLOEXEC));
  if (!end.valid()) return Error::FromErrno(errno, "eventfd");
  return std::unique_ptr<StopOnSignal>(new StopOnSignal(std::move(signals), std::move(end)));
}

StopOnSignal::StopOnSignal(UniqueFd signals, UniqueFd end)
    : signals_(std::move(signals)), end_(std::move(end)), thread_([this] {
        std::array<pollfd, 2> fds{pollfd{signals_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
        while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
        }
        if (fds[0].revents != 0) source_.request_stop();
      }) {}

StopOnSignal::~StopOnSignal() {
  const uint64_t one = 1;
  // A fresh eventfd takes it; without it the thread would wait for the signal.
  if (::write(end_.get(), &one, sizeof one) < 0) source_.request_stop();
  thread_.join();
}

}  // namespace locket::cli
