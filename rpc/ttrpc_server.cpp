#include "rpc/ttrpc_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "rpc/ttrpc_connection.h"

namespace locket::rpc {
namespace {

// accept(2) failures that say nothing about the listening socket.
bool IsPassing(int accept_errno) {
  switch (accept_errno) {
    case EINTR:
    case EAGAIN:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

bool IsShortage(int accept_errno) {
  return accept_errno == EMFILE || accept_errno == ENFILE || accept_errno == ENOBUFS ||
         accept_errno == ENOMEM;
}

constexpr int kShortagePauseMs = 100;

class ThreadedServer final : public TtrpcServer {
 public:
  ThreadedServer(const TtrpcMethods& methods, const TtrpcServerOptions& options)
      : methods_(methods), options_(options), stop_event_(::eventfd(0, EFD_CLOEXEC)) {}

  ~ThreadedServer() override {
    Stop();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return calls_ == 0 && readers_ == 0; });
  }

  Status Serve(UniqueFd stream) override {
    LOCKET_TRY_ASSIGN(auto connection, Open(std::move(stream)));
    return Launch(readers_, SIZE_MAX, [connection = std::move(connection)] {
      // How the peer went is nobody's business here; the stream is closed either way.
      (void)connection->Run();
    });
  }

  Status ServeHere(UniqueFd stream) override {
    LOCKET_TRY_ASSIGN(const auto connection, Open(std::move(stream)));
    LOCKET_TRY(connection->Run());
    if (stopped()) return Stopped();
    return Ok();
  }

  Status AcceptLoop(int listening_fd) override {
    // A peer that hangs up between poll and accept must not block the loop.
    const int flags = ::fcntl(listening_fd, F_GETFL);
    if (flags < 0 || ::fcntl(listening_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
      return Error::FromErrno(errno, "accept ttrpc connections");
    }
    while (true) {
      std::array<pollfd, 2> fds{{{listening_fd, POLLIN, 0}, {stop_event_.get(), POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
        return Error::FromErrno(errno, "wait for ttrpc connections");
      }
      if (stopped()) return Ok();
      LOCKET_TRY(AcceptOne(listening_fd));
    }
  }

  void Stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ::eventfd_write(stop_event_.get(), 1);
  }

 private:
  static Error Stopped() { return {ErrorCode::kCancelled, "ttrpc server has stopped"}; }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  Result<std::shared_ptr<TtrpcConnection>> Open(UniqueFd stream) {
    if (!stop_event_.valid()) return Error(ErrorCode::kResourceExhausted, "no eventfd to be had");
    if (stopped()) return Stopped();
    LOCKET_TRY(PrepareStream(stream));
    return std::make_shared<TtrpcConnection>(
        std::move(stream), stop_event_.get(), methods_, options_.frame_timeout,
        [this](std::function<void()> call) {
          return Launch(calls_, options_.max_calls, std::move(call));
        });
  }

  Status AcceptOne(int listening_fd) {
    UniqueFd stream(::accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC));
    if (!stream.valid()) {
      const int saved_errno = errno;
      if (IsPassing(saved_errno)) return Ok();
      if (!IsShortage(saved_errno)) return Error::FromErrno(saved_errno, "accept");
      // The connection stays queued and poll would return at once: give others time to close some.
      pollfd stop{stop_event_.get(), POLLIN, 0};
      ::poll(&stop, 1, kShortagePauseMs);
      return Ok();
    }
    // One peer we cannot serve is no reason to leave the others.
    (void)Serve(std::move(stream));
    return Ok();
  }

  // Runs `work` on a thread counted in `count`, which the destructor waits for.
  Status Launch(size_t& count, size_t most, std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      if (count >= most) {
        return Error(ErrorCode::kResourceExhausted,
                     "more than " + std::to_string(most) + " calls at a time");
      }
      ++count;
    }
    try {
      std::thread([this, &count, work = std::move(work)]() mutable {
        work();
        work = nullptr;  // may close a stream; before the destructor is told that we are done
        Leave(count);
      }).detach();
    } catch (const std::system_error& error) {
      Leave(count);
      return Error(ErrorCode::kResourceExhausted, std::string("start a thread: ") + error.what());
    }
    return Ok();
  }

  void Leave(size_t& count) {
    const std::lock_guard lock(mutex_);
    --count;
    idle_.notify_all();
  }

  const TtrpcMethods& methods_;
  const TtrpcServerOptions options_;
  const UniqueFd stop_event_;  // readable once stopped
  std::mutex mutex_;
  std::condition_variable idle_;
  bool stopped_ = false;
  size_t calls_ = 0;
  size_t readers_ = 0;
};

}  // namespace

void TtrpcMethods::AddRaw(std::string_view service, std::string_view method, Raw handler) {
  handlers_[std::string(service).append("/").append(method)] = std::move(handler);
}

const TtrpcMethods::Raw* TtrpcMethods::Find(std::string_view service,
                                            std::string_view method) const {
  const auto found = handlers_.find(std::string(service).append("/").append(method));
  return found == handlers_.end() ? nullptr : &found->second;
}

std::unique_ptr<TtrpcServer> TtrpcServer::Create(const TtrpcMethods& methods,
                                                 const TtrpcServerOptions& options) {
  return std::make_unique<ThreadedServer>(methods, options);
}

}  // namespace locket::rpc
