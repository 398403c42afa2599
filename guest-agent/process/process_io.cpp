#include "guest-agent/process/process_io.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "make a pipe");
  return Pipe{.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
}

// Our ends only: a pipe's two ends, and a terminal's two, have flags of their own.
void DoNotBlock(const UniqueFd& fd) { (void)::fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

}  // namespace

Result<std::unique_ptr<ProcessIo>> ProcessIo::Create(const IoOptions& options) {
  std::unique_ptr<ProcessIo> io(new ProcessIo(options));
  io->abandoned_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!io->abandoned_.valid()) return Error::FromErrno(errno, "make an eventfd");
  if (!options.terminal) LOCKET_TRY(io->MakePipes());
  return io;
}

Status ProcessIo::MakePipes() {
  LOCKET_TRY_ASSIGN(Pipe input, MakePipe());
  LOCKET_TRY_ASSIGN(Pipe output, MakePipe());
  LOCKET_TRY_ASSIGN(Pipe errors, MakePipe());
  if (options_.hide_output) {  // whoever reads its output is at the end at once
    LOCKET_TRY_ASSIGN(output.write_end, OpenFile("/dev/null", O_WRONLY));
    LOCKET_TRY_ASSIGN(errors.write_end, OpenFile("/dev/null", O_WRONLY));
  }
  child_stdin_ = std::move(input.read_end);
  child_stdout_ = std::move(output.write_end);
  child_stderr_ = std::move(errors.write_end);
  stdout_ = std::move(output.read_end);
  stderr_ = std::move(errors.read_end);
  DoNotBlock(stdout_);
  DoNotBlock(stderr_);
  if (!options_.with_stdin) return Ok();  // and the process is at the end of its input
  stdin_ = std::make_shared<UniqueFd>(std::move(input.write_end));
  DoNotBlock(*stdin_);
  return Ok();
}

ProcessStreams ProcessIo::child() const {
  return {.terminal = options_.terminal,
          .stdin_fd = child_stdin_.get(),
          .stdout_fd = child_stdout_.get(),
          .stderr_fd = child_stderr_.get()};
}

void ProcessIo::Started(UniqueFd terminal) {
  child_stdin_.reset();
  child_stdout_.reset();
  child_stderr_.reset();
  if (!options_.terminal) return;
  if (options_.with_stdin) {
    stdin_ = std::make_shared<UniqueFd>(::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 0));
  }
  stdout_ = std::move(terminal);
  DoNotBlock(stdout_);
}

// False: abandoned.
bool ProcessIo::WaitFor(int fd, short events) const {
  std::array<pollfd, 2> waiting{pollfd{fd, events, 0}, pollfd{abandoned_.get(), POLLIN, 0}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  return waiting[1].revents == 0;
}

Result<Output> ProcessIo::Read(OutputStream stream, size_t max_bytes) {
  const int fd = (stream == OutputStream::kStdout ? stdout_ : stderr_).get();
  if (fd < 0) return Output{.end = true};  // a terminal's stderr
  Output output{.data = std::string(max_bytes, '\0')};
  while (WaitFor(fd, POLLIN)) {
    const ssize_t got = ::read(fd, output.data.data(), output.data.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // A terminal that no process has open any more gives EIO: that is the end of the stream.
    if (got < 0 && errno != EIO) return Error::FromErrno(errno, "read output");
    output.data.resize(got < 0 ? 0 : static_cast<size_t>(got));
    output.end = output.data.empty();
    return output;
  }
  return Output{.end = true};
}

Status ProcessIo::Write(std::string_view data) {
  std::shared_ptr<UniqueFd> input;
  {
    const std::lock_guard lock(mutex_);
    input = stdin_;
  }
  if (input == nullptr) {
    return Error(ErrorCode::kFailedPrecondition, "there is no standard input, or it is closed");
  }
  while (!data.empty()) {
    if (!WaitFor(input->get(), POLLOUT)) {
      return Error(ErrorCode::kFailedPrecondition, "the process is deleted");
    }
    const ssize_t put = ::write(input->get(), data.data(), data.size());
    if (put >= 0) {
      data.remove_prefix(static_cast<size_t>(put));
    } else if (errno != EINTR && errno != EAGAIN) {
      return Error::FromErrno(errno, "write to standard input");
    }
  }
  return Ok();
}

void ProcessIo::CloseInput() {
  const std::lock_guard lock(mutex_);
  if (!options_.terminal) stdin_.reset();
}

Status ProcessIo::Resize(const TerminalSize& size) const {
  if (!options_.terminal) {
    return Error(ErrorCode::kFailedPrecondition, "there is no terminal to resize");
  }
  winsize window{};
  window.ws_row = size.rows;
  window.ws_col = size.columns;
  if (::ioctl(stdout_.get(), TIOCSWINSZ, &window) == 0) return Ok();
  return Error::FromErrno(errno, "resize the terminal");
}

void ProcessIo::Abandon() { (void)::eventfd_write(abandoned_.get(), 1); }

}  // namespace locket::guest_agent
