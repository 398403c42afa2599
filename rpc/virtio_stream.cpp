#include "rpc/virtio_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/file.h"
#include "rpc/transport.h"

namespace locket::rpc {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr size_t kBufferBytes = 64U << 10;
constexpr std::chrono::milliseconds kRetry(10);

// How long a host that is there but takes nothing keeps a port open whose caller has left.
constexpr int kLingerMs = 2000;
// How long the news of a host may take that has sent something already.
constexpr int kNewsMs = 100;

ssize_t Write(int fd, const char* bytes, size_t count) {
  const ssize_t sent = ::send(fd, bytes, count, MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? ::write(fd, bytes, count) : sent;
}

// Bytes on their way from one descriptor to another, both non-blocking.
class Flow {
 public:
  Flow(int from, int to) : from_(from), to_(to), bytes_(kBufferBytes, '\0') {}

  bool empty() const { return begin_ == end_; }
  bool done() const { return ended_ && empty(); }
  void Clear() { begin_ = end_; }

  // Takes what `from` has; an end or an error there ends the flow.
  void Fill() {
    const ssize_t got = ::read(from_, bytes_.data(), bytes_.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    ended_ = got <= 0;
    begin_ = 0;
    end_ = got > 0 ? static_cast<size_t>(got) : 0;
  }
  void End() { ended_ = true; }

  // Fill, but finding nothing says nothing.
  void FillIfAny() {
    Fill();
    ended_ = false;
  }

  // False: `to` takes nothing any more.
  bool Drain() {
    const ssize_t put = Write(to_, bytes_.data() + begin_, end_ - begin_);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    begin_ += static_cast<size_t>(put);
    return true;
  }

 private:
  const int from_;
  const int to_;
  std::string bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool ended_ = false;
};

short PollNow(int fd) {
  pollfd one{fd, 0, 0};
  return ::poll(&one, 1, 0) < 0 ? short{0} : one.revents;
}

class PortPump {
 public:
  PortPump(UniqueFd port, UniqueFd socket)
      : port_(std::move(port)),
        socket_(std::move(socket)),
        in_(port_.get(), socket_.get()),
        out_(socket_.get(), port_.get()) {}

  void Run() {
    if (!WaitForHost()) return;
    while (!in_.done() && !out_.done() && Wait()) {
      MoveIn();
      MoveOut();
    }
  }

 private:
  // A port without a host is always ready, so a level-triggered wait would spin. Edge-triggered,
  // the kernel wakes us when the host connects. Its first bytes may be here before the news that it
  // connected; when the news stays out, it came and went before we looked, and what it left is all
  // there will be. False: the caller has left, or the wait is impossible.
  bool WaitForHost() {
    const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    for (const int fd : {port_.get(), socket_.get()}) {
      // POLLHUP always counts; the caller's bytes need no wake-up, as nobody could take them.
      const bool is_port = fd == port_.get();
      epoll_event event{.events = EPOLLET | (is_port ? EPOLLIN | EPOLLOUT : 0U),
                        .data = {.fd = fd}};
      if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
    }
    while ((PollNow(port_.get()) & POLLHUP) != 0) {
      if ((PollNow(socket_.get()) & POLLHUP) != 0) return false;
      epoll_event event{};
      const int ready = ::epoll_wait(epoll.get(), &event, 1, in_.empty() ? -1 : kNewsMs);
      if (ready < 0 && errno != EINTR) return false;
      if (ready == 0) return true;
      if (in_.empty()) in_.FillIfAny();
    }
    return true;
  }

  // A side that is gone is ready for ever: it is left out unless we still want its bytes. False:
  // nothing moves any more.
  bool Wait() {
    std::array<pollfd, 2> fds{{{port_.get(), 0, 0}, {socket_.get(), 0, 0}}};
    fds[0].events = static_cast<short>((in_.empty() ? POLLIN : 0) | (out_.empty() ? 0 : POLLOUT));
    fds[1].events = static_cast<short>((out_.empty() ? POLLIN : 0) | (in_.empty() ? 0 : POLLOUT));
    if (host_gone_ && !in_.empty()) fds[0].fd = -1;
    if (caller_gone_ && !out_.empty()) fds[1].fd = -1;
    const int ready = ::poll(fds.data(), fds.size(), caller_gone_ ? kLingerMs : -1);
    if (ready <= 0) return ready < 0 && errno == EINTR;
    port_ready_ = fds[0].revents;
    socket_ready_ = fds[1].revents;
    host_gone_ = host_gone_ || (port_ready_ & (POLLHUP | POLLERR)) != 0;
    caller_gone_ = caller_gone_ || (socket_ready_ & (POLLHUP | POLLERR)) != 0;
    return true;
  }

  void MoveIn() {
    if (in_.empty() && port_ready_ != 0) {
      in_.Fill();
      // The last host's bytes are all here; should another have come by now, it gets its own
      // stream.
      if (host_gone_ && in_.empty()) in_.End();
    }
    if (!in_.empty() && !caller_gone_ && !in_.Drain()) caller_gone_ = true;
    if (caller_gone_) in_.Clear();
  }

  void MoveOut() {
    if (out_.empty() && socket_ready_ != 0) out_.Fill();
    if (!out_.empty() && !host_gone_ && !out_.Drain()) host_gone_ = true;
    if (host_gone_) out_.Clear();
  }

  const UniqueFd port_;
  const UniqueFd socket_;
  Flow in_;
  Flow out_;
  short port_ready_ = 0;
  short socket_ready_ = 0;
  bool host_gone_ = false;
  bool caller_gone_ = false;
};

struct JoinedPort {
  UniqueFd socket;
  std::thread pump;
};

Result<JoinedPort> Join(UniqueFd port) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error::FromErrno(errno, "make a socket pair");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  for (const int fd : {port.get(), ours.get()}) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
      return Error::FromErrno(errno, "make non-blocking");
    }
  }
  try {
    std::thread pump([port = std::move(port), ours = std::move(ours)]() mutable {
      PortPump(std::move(port), std::move(ours)).Run();
    });
    return JoinedPort{std::move(theirs), std::move(pump)};
  } catch (const std::system_error& error) {
    return Error(ErrorCode::kResourceExhausted, std::string("start a thread: ") + error.what());
  }
}

// kNotFound: there is none yet.
Result<fs::path> FindPort(const VirtioPortPaths& paths, std::string_view name) {
  std::error_code error;
  for (fs::directory_iterator entry(paths.ports, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto found = ReadFile(entry->path() / "name", 4096);
    if (!found.ok()) continue;  // a port without a name, or one just unplugged
    const std::string_view line = *found;
    if (line.substr(0, line.find('\n')) == name) return paths.devices / entry->path().filename();
  }
  return Error(ErrorCode::kNotFound, "no such virtio port in '" + paths.ports.string() + "'");
}

Result<UniqueFd> OpenPort(const VirtioPortPaths& paths, std::string_view name) {
  LOCKET_TRY_ASSIGN(const fs::path device, FindPort(paths, name));
  return OpenFile(device, O_RDWR | O_NONBLOCK | O_NOCTTY);
}

Result<JoinedPort> WaitForPort(const VirtioPortPaths& paths, std::string_view name,
                               std::chrono::milliseconds timeout) {
  const auto until = steady_clock::now() + timeout;
  while (true) {
    auto port = OpenPort(paths, name);
    if (port.ok()) return Join(*std::move(port));
    const ErrorCode code = port.error().code();
    const bool may_pass = code == ErrorCode::kNotFound || code == ErrorCode::kFailedPrecondition;
    if (!may_pass || steady_clock::now() >= until) {
      return std::move(port).error().While("open virtio port '" + std::string(name) + "'");
    }
    // sysfs tells nobody of new entries, and devtmpfs lags behind it.
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace

Result<UniqueFd> JoinPort(UniqueFd port) {
  LOCKET_TRY_ASSIGN(JoinedPort joined, Join(std::move(port)));
  joined.pump.detach();  // it ends with the socket or the host
  return std::move(joined.socket);
}

Result<UniqueFd> OpenVirtioPortIn(const VirtioPortPaths& paths, std::string_view name,
                                  std::chrono::milliseconds timeout) {
  LOCKET_TRY_ASSIGN(JoinedPort joined, WaitForPort(paths, name, timeout));
  joined.pump.detach();
  return std::move(joined.socket);
}

Result<UniqueFd> OpenVirtioPort(std::string_view name, std::chrono::milliseconds timeout) {
  return OpenVirtioPortIn({}, name, timeout);
}

Status ServeVirtioPort(TtrpcServer& server, std::string_view name,
                       std::chrono::milliseconds timeout, const VirtioPortPaths& paths) {
  while (true) {
    LOCKET_TRY_ASSIGN(JoinedPort joined, WaitForPort(paths, name, timeout));
    const auto served = server.ServeHere(std::move(joined.socket));
    joined.pump.join();  // the last answers are with the host, and the port is free again
    if (served.ok() || served.error().code() == ErrorCode::kDataLoss) continue;
    if (served.error().code() == ErrorCode::kCancelled) return Ok();
    return served.error();
  }
}

}  // namespace locket::rpc
