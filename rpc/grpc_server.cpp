#include "rpc/grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/unique_fd.h"

namespace locket::rpc {
namespace {

constexpr int kAcceptAgainMs = 100;  // after the process or the machine ran out of something

// Hands each connection of `listener` to `server`, until it is destroyed.
class Acceptor {
 public:
  Acceptor(int listener, UniqueFd stop, grpc::Server& server)
      : listener_(listener),
        stop_(std::move(stop)),
        server_(server),
        thread_([this] { Accept(); }) {}
  Acceptor(const Acceptor&) = delete;
  ~Acceptor() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

 private:
  void Accept() {
    std::array<pollfd, 2> waiting{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = listener_, .events = POLLIN, .revents = 0}};
    bool in_trouble = false;
    while (true) {
      ::poll(waiting.data(), waiting.size(), -1);
      if (waiting[0].revents != 0) return;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        in_trouble = false;
        grpc::AddInsecureChannelFromFd(&server_, fd);  // which closes it
      } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        WaitOut(Error::FromErrno(errno, "accept"), waiting[0], in_trouble);
      }
    }
  }

  // Says so once, however long it lasts.
  static void WaitOut(const Error& trouble, pollfd& stop, bool& known) {
    if (!std::exchange(known, true)) {
      log::Warning("cannot accept a connection; trying again", {log::Field(trouble)});
    }
    ::poll(&stop, 1, kAcceptAgainMs);
  }

  const int listener_;
  const UniqueFd stop_;
  grpc::Server& server_;
  std::jthread thread_;  // last, so that it finds the rest
};

class ServerOnListener final : public GrpcServer {
 public:
  ServerOnListener(Listener listener, UniqueFd stop, std::unique_ptr<grpc::Server> server)
      : listener_(std::move(listener)),
        server_(std::move(server)),
        acceptor_(std::make_unique<Acceptor>(listener_.fd(), std::move(stop), *server_)) {}
  ServerOnListener(const ServerOnListener&) = delete;
  ~ServerOnListener() override { Shutdown(std::chrono::milliseconds(0)); }

  void Shutdown(std::chrono::milliseconds grace) override {
    if (!server_) return;
    acceptor_.reset();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    server_.reset();
  }

 private:
  const Listener listener_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(grpc::ServerBuilder& builder,
                                                      Listener listener) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return Error::FromErrno(errno, "eventfd");
  auto server = builder.BuildAndStart();
  if (!server) return Error(ErrorCode::kUnavailable, "cannot start a gRPC server");
  return std::unique_ptr<GrpcServer>(
      std::make_unique<ServerOnListener>(std::move(listener), std::move(stop), std::move(server)));
}

}  // namespace locket::rpc
