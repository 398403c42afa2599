// A socket that listens from before its server is ready. A client that connects meanwhile waits in
// the socket's queue instead of being refused.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

// Movable. A server takes descriptors from fd() by accept(2) and outlives neither the object nor
// the socket's file.
class Listener {
 public:
  // Listens on a unix socket at `path` of permissions `mode`. A socket that a dead server left is
  // replaced. kInvalidArgument: the path is longer than 107 bytes. kFailedPrecondition: somebody
  // listens there, or the file is not a socket; it is left alone.
  static Result<Listener> Listen(const std::filesystem::path& path, mode_t mode = 0600);

  // Listens on TCP at `host`, an address in numbers: "127.0.0.1" or "::1". Port 0 stands for any
  // free port; port() says which it became.
  static Result<Listener> ListenTcp(const std::string& host, uint16_t port);

  // Takes over a socket that systemd opened and keeps while we restart (sd_listen_fds(3)).
  // kInvalidArgument: `fd` is not a listening unix stream socket.
  static Result<Listener> Inherit(UniqueFd fd);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();  // removes the socket's file, unless it is systemd's

  int fd() const { return fd_.get(); }  // non-blocking
  uint16_t port() const;                // of TCP, else 0
  std::filesystem::path path() const;   // of a unix socket, else empty

 private:
  Listener(UniqueFd fd, std::filesystem::path ours) : fd_(std::move(fd)), ours_(std::move(ours)) {}

  UniqueFd fd_;
  std::filesystem::path ours_;  // empty: no file of ours
};

}  // namespace locket
