#include "runtime-shim/task/stdio.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.h"

namespace locket::runtime_shim {
namespace {

constexpr uint32_t kChunk = 32768;

Status CheckPath(const std::string& path) {
  if (path.find("://") == std::string::npos) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "stream '" + path + "': only FIFOs and files are supported, no URIs");
}

// For output. The FIFO is opened for reading as well. So opening it never waits for a reader, and
// it does not break when the reader goes away because containerd restarts.
Result<UniqueFd> OpenForOutput(const std::string& path) {
  if (path.empty()) return UniqueFd();
  LOCKET_TRY(CheckPath(path));
  std::error_code failed;
  const bool fifo = std::filesystem::is_fifo(path, failed);
  return OpenFile(path, (fifo ? O_RDWR : O_WRONLY | O_APPEND) | O_NONBLOCK);
}

// Waits until `fd` is ready for `events`; false once one of `stops` is readable.
bool WaitFor(int fd, short events, const std::array<int, 2>& stops) {
  std::array<pollfd, 3> waiting{pollfd{fd, events, 0}, pollfd{stops[0], POLLIN, 0},
                                pollfd{stops[1], POLLIN, 0}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  return waiting[1].revents == 0 && waiting[2].revents == 0;
}

}  // namespace

Result<std::unique_ptr<Stdio>> Stdio::Open(const StdioPaths& paths) {
  std::unique_ptr<Stdio> stdio(new Stdio());
  stdio->stop_.reset(::eventfd(0, EFD_CLOEXEC));
  stdio->input_over_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!stdio->stop_.valid() || !stdio->input_over_.valid()) {
    return Error::FromErrno(errno, "create eventfd");
  }
  LOCKET_TRY_ASSIGN(stdio->out_, OpenForOutput(paths.out));
  LOCKET_TRY_ASSIGN(stdio->err_, OpenForOutput(paths.err));
  if (!paths.in.empty()) {
    LOCKET_TRY(CheckPath(paths.in));
    LOCKET_TRY_ASSIGN(stdio->in_, OpenFile(paths.in, O_RDONLY | O_NONBLOCK));
    std::error_code failed;
    if (std::filesystem::is_fifo(paths.in, failed)) {
      LOCKET_TRY_ASSIGN(stdio->in_holder_, OpenFile(paths.in, O_WRONLY | O_NONBLOCK));
    }
  }
  return stdio;
}

Stdio::~Stdio() { Stop(); }

void Stdio::Start(AgentClient& agent, const GuestProcess& id, bool terminal) {
  {
    const std::lock_guard lock(mutex_);
    outputs_running_ = terminal ? 1 : 2;
    pumps_running_ = outputs_running_ + (in_.valid() ? 1 : 0);
  }
  pumps_.emplace_back([this, &agent, id, fd = std::move(out_)]() mutable {
    PumpOutput(agent, id, OutputStream::kStdout, std::move(fd));
  });
  if (!terminal) {
    pumps_.emplace_back([this, &agent, id, fd = std::move(err_)]() mutable {
      PumpOutput(agent, id, OutputStream::kStderr, std::move(fd));
    });
  }
  if (!in_.valid()) return;
  pumps_.emplace_back(
      [this, &agent, id, fd = std::move(in_)]() mutable { PumpInput(agent, id, std::move(fd)); });
}

void Stdio::CloseInput() {
  const std::lock_guard lock(mutex_);
  in_holder_.reset();
}

void Stdio::EndInput() { (void)::eventfd_write(input_over_.get(), 1); }

bool Stdio::WaitDrained(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, timeout, [&] { return outputs_running_ == 0; });
}

void Stdio::Stop() { (void)::eventfd_write(stop_.get(), 1); }

bool Stdio::WaitEnded(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, timeout, [&] { return pumps_running_ == 0; });
}

void Stdio::OneEnded(bool output) {
  const std::lock_guard lock(mutex_);
  if (output) --outputs_running_;
  --pumps_running_;
  ended_.notify_all();
}

// False: stopped, or the file takes no more.
bool Stdio::WriteAll(int fd, std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (!WaitFor(fd, POLLOUT, {stop_.get(), -1})) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void Stdio::PumpOutput(AgentClient& agent, const GuestProcess& id, OutputStream stream,
                       UniqueFd to) {
  while (true) {
    auto output = agent.ReadOutput(id, stream, kChunk);
    if (!output.ok()) break;
    // Without a taker the container must not block on a full pipe, so its output is read anyway.
    if (to.valid() && !WriteAll(to.get(), output->data)) to.reset();
    if (output->eof) break;
  }
  to.reset();  // the reader's EOF, now and not when the container is deleted
  OneEnded(/*output=*/true);
}

void Stdio::PumpInput(AgentClient& agent, const GuestProcess& id, UniqueFd from) {
  std::string buffer(kChunk, '\0');
  while (WaitFor(from.get(), POLLIN, {stop_.get(), input_over_.get()})) {
    const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) {
      (void)agent.CloseInput(id);
      break;
    }
    if (!agent.WriteInput(id, buffer.substr(0, static_cast<size_t>(n))).ok()) break;
  }
  // Both ends, or a client that writes on would wait for a reader that never comes.
  from.reset();
  CloseInput();
  OneEnded(/*output=*/false);
}

}  // namespace locket::runtime_shim
