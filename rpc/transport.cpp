#include "rpc/transport.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
// After sys/socket.h, which it needs.
#include <linux/vm_sockets.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/file.h"

namespace locket::rpc {
namespace {

namespace fs = std::filesystem;

constexpr int kBacklog = 128;

std::string Quoted(std::string_view verb, const fs::path& path) {
  return std::string(verb).append(" '").append(path.string()).append("'");
}

// The address of a path of any length: one that does not fit into sun_path is reached through its
// directory's descriptor, which must stay open until bind or connect is done.
struct UnixAddress {
  UniqueFd directory{};
  sockaddr_un address{};
};

Result<UnixAddress> AddressOf(const fs::path& path) {
  UnixAddress out;
  out.address.sun_family = AF_UNIX;
  std::string text = path.string();
  if (text.empty() || text.find('\0') != std::string::npos) {
    return Error(ErrorCode::kInvalidArgument, "not a path for a socket");
  }
  if (text.size() >= sizeof(out.address.sun_path)) {
    LOCKET_TRY_ASSIGN(out.directory, OpenFile(path.parent_path(), O_PATH | O_DIRECTORY));
    text = "/proc/self/fd/" + std::to_string(out.directory.get()) + "/" + path.filename().string();
  }
  if (text.size() >= sizeof(out.address.sun_path)) {
    return Error(ErrorCode::kInvalidArgument, "file name is too long for a socket");
  }
  std::memcpy(out.address.sun_path, text.c_str(), text.size() + 1);
  return out;
}

// Connects; a signal does not end the attempt. On failure errno says why.
bool Connect(int fd, const sockaddr* address, socklen_t size) {
  int result = 0;
  do {
    result = ::connect(fd, address, size);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno == EISCONN;
}

Result<UniqueFd> NewSocket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.valid()) return fd;
  const int saved_errno = errno;
  if (saved_errno == EAFNOSUPPORT) {
    return Error(
        ErrorCode::kUnimplemented,
        "the kernel has no " + std::string(family == AF_VSOCK ? "vsock" : "unix") + " sockets");
  }
  return Error::FromErrno(saved_errno, "make a socket");
}

Result<UniqueFd> ConnectTo(const UnixAddress& to) {
  LOCKET_TRY_ASSIGN(UniqueFd fd, NewSocket(AF_UNIX));
  if (!Connect(fd.get(), reinterpret_cast<const sockaddr*>(&to.address), sizeof(to.address))) {
    return Error::FromErrno(errno, "connect");
  }
  return fd;
}

// Takes away a socket nobody listens on. Nothing there: nothing to do.
Status RemoveStale(const fs::path& path, const UnixAddress& at) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? Ok() : Status(Error::FromErrno(errno, "look at what is there"));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Error(ErrorCode::kAlreadyExists, "something else than a socket is there; remove it");
  }
  const auto other = ConnectTo(at);
  if (other.ok()) return Error(ErrorCode::kAlreadyExists, "another process listens there");
  if (other.error().code() != ErrorCode::kUnavailable) return other.error();
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove the old socket");
  }
  return Ok();
}

Result<UniqueFd> ListenAt(const fs::path& path) {
  LOCKET_TRY_ASSIGN(const UnixAddress at, AddressOf(path));
  LOCKET_TRY(RemoveStale(path, at));
  LOCKET_TRY_ASSIGN(UniqueFd fd, NewSocket(AF_UNIX));
  // The file takes the mode the socket has when it is bound (unix(7) is silent, net/unix/af_unix.c
  // is not), so there is no moment in which others may connect.
  if (::fchmod(fd.get(), 0600) != 0) return Error::FromErrno(errno, "set the mode");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at.address), sizeof(at.address)) != 0) {
    return errno == EADDRINUSE ? Error(ErrorCode::kAlreadyExists, "another process listens there")
                               : Error::FromErrno(errno, "bind");
  }
  if (::listen(fd.get(), kBacklog) != 0) return Error::FromErrno(errno, "listen");
  return fd;
}

sockaddr_vm VsockAddress(uint32_t cid, uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

}  // namespace

Result<UniqueFd> ListenUnix(const fs::path& path) {
  return ListenAt(path).While(Quoted("listen on", path));
}

Result<UniqueFd> ConnectUnix(const fs::path& path) {
  auto address = AddressOf(path);
  if (!address.ok()) return std::move(address).error().While(Quoted("connect to", path));
  return ConnectTo(*address).While(Quoted("connect to", path));
}

Result<UniqueFd> ListenVsock(uint32_t port) {
  const std::string doing = "listen on vsock port " + std::to_string(port);
  auto fd = NewSocket(AF_VSOCK);
  if (!fd.ok()) return std::move(fd).While(doing);
  const sockaddr_vm address = VsockAddress(VMADDR_CID_ANY, port);
  if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd->get(), kBacklog) != 0) {
    const int saved_errno = errno;
    if (saved_errno == EADDRINUSE) return Error(ErrorCode::kAlreadyExists, doing + ": in use");
    return Error::FromErrno(saved_errno, doing);
  }
  return fd;
}

Result<UniqueFd> ConnectVsock(uint32_t cid, uint32_t port) {
  const std::string doing =
      "connect to vsock " + std::to_string(cid) + " port " + std::to_string(port);
  auto fd = NewSocket(AF_VSOCK);
  if (!fd.ok()) return std::move(fd).While(doing);
  const sockaddr_vm address = VsockAddress(cid, port);
  if (!Connect(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address))) {
    return Error::FromErrno(errno, doing);
  }
  return fd;
}

}  // namespace locket::rpc
