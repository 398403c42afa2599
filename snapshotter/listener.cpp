#include "snapshotter/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace locket::snapshotter {
namespace {

constexpr int kQueueLength = 128;  // connections; containerd needs one

// Makes the path free for bind(2).
Status RemoveStaleSocket(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return Ok();  // bind(2) says what is wrong, if it is
  if (!S_ISSOCK(status.st_mode)) {
    return Error(ErrorCode::kFailedPrecondition, "there is a file that is no socket");
  }
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  // EAGAIN: the listener's queue is full, so there is one.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {
    return Error(ErrorCode::kFailedPrecondition, "another server listens there");
  }
  if (errno != ECONNREFUSED) return Error::FromErrno(errno, "connect");
  if (::unlink(path.c_str()) != 0) return Error::FromErrno(errno, "remove the stale socket");
  return Ok();
}

Result<UniqueFd> Bind(const std::filesystem::path& path) {
  sockaddr_un address{};
  if (path.string().size() >= sizeof(address.sun_path)) {
    return Error(ErrorCode::kInvalidArgument, "the path is longer than 107 bytes");
  }
  address.sun_family = AF_UNIX;
  path.string().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
  LOCKET_TRY(RemoveStaleSocket(path, address));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  const mode_t old = ::umask(0177);  // the socket is born with mode 0600
  const int bound =
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0
                                                                                          : errno;
  ::umask(old);
  if (bound != 0) return Error::FromErrno(bound, "bind");
  if (::listen(fd.get(), kQueueLength) != 0) return Error::FromErrno(errno, "listen");
  return fd;
}

int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<Listener> Listener::Listen(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, Bind(path).While("listen on '" + path.string() + "'"));
  return Listener(std::move(fd), path);
}

Result<Listener> Listener::Inherit(UniqueFd fd) {
  if (SocketOption(fd.get(), SO_DOMAIN) != AF_UNIX ||
      SocketOption(fd.get(), SO_TYPE) != SOCK_STREAM ||
      SocketOption(fd.get(), SO_ACCEPTCONN) != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "systemd passed something that is no listening unix stream socket: see "
                 "ListenStream= in locket-snapshotter.socket");
  }
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return Error::FromErrno(errno, "set O_NONBLOCK");
  return Listener(std::move(fd), {});
}

Listener::~Listener() {
  if (fd_.valid() && !path_.empty()) ::unlink(path_.c_str());
}

}  // namespace locket::snapshotter
