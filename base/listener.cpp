#include "base/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace locket {
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

Result<UniqueFd> Bind(const std::filesystem::path& path, mode_t mode) {
  sockaddr_un address{};
  if (path.string().size() >= sizeof(address.sun_path)) {
    return Error(ErrorCode::kInvalidArgument, "the path is longer than 107 bytes");
  }
  address.sun_family = AF_UNIX;
  path.string().copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
  LOCKET_TRY(RemoveStaleSocket(path, address));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Error::FromErrno(errno, "bind");
  }
  // Nobody can connect before listen(2); the umask, which is all threads', stays as it is.
  if (::chmod(path.c_str(), mode) != 0) return Error::FromErrno(errno, "set mode");
  if (::listen(fd.get(), kQueueLength) != 0) return Error::FromErrno(errno, "listen");
  return fd;
}

// The address in the form of its family; port and family are set.
Result<sockaddr_storage> ParseAddress(const std::string& host, uint16_t port) {
  sockaddr_storage parsed{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(parsed);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(parsed);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = ::htons(port);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = ::htons(port);
  } else {
    return Error(ErrorCode::kInvalidArgument, "'" + host + "' is no IP address");
  }
  return parsed;
}

Result<UniqueFd> BindTcp(const std::string& host, uint16_t port) {
  LOCKET_TRY_ASSIGN(const sockaddr_storage address, ParseAddress(host, port));
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::FromErrno(errno, "socket");
  const int yes = 1;  // connections of an earlier process may linger
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0) {
    return Error::FromErrno(errno, "set SO_REUSEADDR");
  }
  const socklen_t size = address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return Error::FromErrno(errno, "bind");
  }
  if (::listen(fd.get(), kQueueLength) != 0) return Error::FromErrno(errno, "listen");
  return fd;
}

int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<Listener> Listener::Listen(const std::filesystem::path& path, mode_t mode) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, Bind(path, mode).While("listen on '" + path.string() + "'"));
  return Listener(std::move(fd), path);
}

Result<Listener> Listener::ListenTcp(const std::string& host, uint16_t port) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, BindTcp(host, port));
  return Listener(std::move(fd), {});
}

uint16_t Listener::port() const {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET) return ::ntohs(reinterpret_cast<sockaddr_in&>(bound).sin_port);
  if (bound.ss_family == AF_INET6) return ::ntohs(reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
  return 0;
}

Result<Listener> Listener::Inherit(UniqueFd fd) {
  if (SocketOption(fd.get(), SO_DOMAIN) != AF_UNIX ||
      SocketOption(fd.get(), SO_TYPE) != SOCK_STREAM ||
      SocketOption(fd.get(), SO_ACCEPTCONN) != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "systemd passed something that is no listening unix stream socket: see "
                 "ListenStream= in its .socket unit");
  }
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return Error::FromErrno(errno, "set O_NONBLOCK");
  return Listener(std::move(fd), {});
}

std::filesystem::path Listener::path() const {
  sockaddr_un bound{};
  socklen_t size = sizeof(bound);
  if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return {};
  if (bound.sun_family != AF_UNIX || size <= sizeof(bound.sun_family)) return {};
  return std::string(static_cast<const char*>(bound.sun_path),
                     ::strnlen(static_cast<const char*>(bound.sun_path), sizeof(bound.sun_path)));
}

Listener::~Listener() {
  if (fd_.valid() && !ours_.empty()) ::unlink(ours_.c_str());
}

}  // namespace locket
