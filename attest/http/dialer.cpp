#include "attest/http/dialer.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace locket::attest {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> Resolve(const std::string& host_port) {
  const size_t colon = host_port.rfind(':');
  if (colon == std::string::npos) {
    return Error(ErrorCode::kInvalidArgument, "'" + host_port + "' is not host:port");
  }
  std::string host = host_port.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(host.c_str(), host_port.substr(colon + 1).c_str(), &hints, &found);
  if (failed != 0) {
    return Error(ErrorCode::kUnavailable, "find '" + host + "': " + ::gai_strerror(failed));
  }
  return Addresses(found, &::freeaddrinfo);
}

Error Unreachable(int saved_errno, const std::string& host_port) {
  return {ErrorCode::kUnavailable,
          Error::FromErrno(saved_errno, "connect to '" + host_port + "'").message()};
}

Result<UniqueFd> ConnectOne(const addrinfo& address, const std::string& host_port,
                            std::chrono::milliseconds timeout) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Unreachable(errno, host_port);
  // A request is written in several pieces; without this the second waits for the other side's ACK.
  const int yes = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return Unreachable(errno, host_port);
    pollfd poll_fd{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    int ready = 0;
    do {
      ready = ::poll(&poll_fd, 1, static_cast<int>(timeout.count()));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
      return Error(ErrorCode::kDeadlineExceeded, "connect to '" + host_port + "': no answer");
    }
    int failure = 0;
    socklen_t size = sizeof failure;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) failure = errno;
    if (failure != 0) return Unreachable(failure, host_port);
  }
  return fd;
}

Result<UniqueFd> Connect(const std::string& host_port, std::chrono::milliseconds timeout) {
  LOCKET_TRY_ASSIGN(const auto addresses, Resolve(host_port));
  Result<UniqueFd> connected = Unreachable(ENXIO, host_port);
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    connected = ConnectOne(*at, host_port, timeout);
    if (connected.ok()) break;
  }
  return connected;
}

}  // namespace

Dialer TcpDialer() {
  return [](const std::string& host_port, std::chrono::milliseconds timeout) {
    return Connect(host_port, timeout);
  };
}

}  // namespace locket::attest
