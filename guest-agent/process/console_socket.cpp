#include "guest-agent/process/console_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace locket::guest_agent {

Result<ConsoleSocket> ConsoleSocket::Listen(std::filesystem::path path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.native().size() >= sizeof address.sun_path) {
    return Error(ErrorCode::kInvalidArgument, "console socket '" + path.string() + "': too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid() ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error::FromErrno(errno, "bind console socket '" + path.string() + "'");
  }
  ConsoleSocket socket(std::move(path), std::move(listener));  // from here on the path is removed
  if (::listen(socket.listener_.get(), 1) != 0) {
    return Error::FromErrno(errno, "listen at console socket '" + socket.path_.string() + "'");
  }
  return socket;
}

ConsoleSocket::~ConsoleSocket() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

Result<UniqueFd> ConsoleSocket::Receive() const {
  const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer.valid()) return Error::FromErrno(errno, "accept at the console socket");
  std::array<char, 256> text;  // the terminal's name
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(peer.get(), &message, MSG_CMSG_CLOEXEC) < 0) {
    return Error::FromErrno(errno, "read from the console socket");
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
    return Error(ErrorCode::kInternal, "no terminal came through the console socket");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

}  // namespace locket::guest_agent
