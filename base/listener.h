// A socket that clients connect to, from before there is a server behind it: who connects while
// that still gets ready waits in the socket's queue instead of being refused.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket {

class Listener {
 public:
  // A unix socket. One nobody listens on is replaced. kFailedPrecondition: somebody does, or there
  // is a file that is no socket.
  static Result<Listener> Listen(const std::filesystem::path& path, mode_t mode = 0600);

  // TCP, at an address in numbers: "127.0.0.1" or "::1". Port 0: any; see port().
  static Result<Listener> ListenTcp(const std::string& host, uint16_t port);

  // One that systemd opened for us and keeps over our restarts (sd_listen_fds(3)).
  // kInvalidArgument: `fd` is no listening unix stream socket.
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
