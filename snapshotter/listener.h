// The unix socket that containerd connects to, from before there is a server behind it: who
// connects while snapshots are still being repaired waits in its queue instead of being refused.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::snapshotter {

class Listener {
 public:
  // Of mode 0600. A socket nobody listens on is replaced. kFailedPrecondition: somebody does, or
  // there is a file that is no socket.
  static Result<Listener> Listen(const std::filesystem::path& path);

  // One that systemd opened for us and keeps over our restarts (sd_listen_fds(3)).
  // kInvalidArgument: `fd` is no listening unix stream socket.
  static Result<Listener> Inherit(UniqueFd fd);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();  // removes the socket's file, unless it is systemd's

  int fd() const { return fd_.get(); }  // non-blocking

 private:
  Listener(UniqueFd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::filesystem::path path_;  // empty: not ours
};

}  // namespace locket::snapshotter
