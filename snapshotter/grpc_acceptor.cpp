#include "snapshotter/grpc_acceptor.h"

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

namespace locket::snapshotter {
namespace {

constexpr int kAcceptAgainMs = 100;  // after the process or the machine ran out of something

class Acceptor final : public GrpcAcceptor {
 public:
  Acceptor(int listener, UniqueFd stop, grpc::Server& server)
      : listener_(listener),
        stop_(std::move(stop)),
        server_(server),
        thread_([this] { Accept(); }) {}
  ~Acceptor() override {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

 private:
  void Accept() {
    std::array<pollfd, 2> waiting{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = listener_, .events = POLLIN, .revents = 0}};
    while (true) {
      ::poll(waiting.data(), waiting.size(), -1);
      if (waiting[0].revents != 0) return;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        grpc::AddInsecureChannelFromFd(&server_, fd);  // which closes it
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log::Warning("cannot accept a connection; trying again",
                     {log::Field(Error::FromErrno(errno, "accept"))});
        ::poll(waiting.data(), 1, kAcceptAgainMs);
      }
    }
  }

  const int listener_;
  const UniqueFd stop_;
  grpc::Server& server_;
  std::jthread thread_;  // last, so that it finds the rest
};

}  // namespace

Result<std::unique_ptr<GrpcAcceptor>> GrpcAcceptor::Start(const Listener& listener,
                                                          grpc::Server& server) {
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return Error::FromErrno(errno, "eventfd");
  return std::unique_ptr<GrpcAcceptor>(
      std::make_unique<Acceptor>(listener.fd(), std::move(stop), server));
}

}  // namespace locket::snapshotter
