// Where an OCI runtime hands over the master of a terminal that it made: a socket in the file
// system (`--console-socket` of crun). Listen, run the runtime, Receive.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

class ConsoleSocket {
 public:
  // Makes the socket. `path` must not exist, and has at most 107 bytes, the length of an address.
  static Result<ConsoleSocket> Listen(std::filesystem::path path);
  ConsoleSocket(ConsoleSocket&& other) noexcept = default;
  ConsoleSocket& operator=(ConsoleSocket&&) = delete;
  ~ConsoleSocket();  // removes the path

  const std::filesystem::path& path() const { return path_; }

  // Returns the master that the runtime sent. Does not wait: call it when the runtime has ended.
  // kInternal: the runtime sent none.
  Result<UniqueFd> Receive() const;

 private:
  ConsoleSocket(std::filesystem::path path, UniqueFd listener)
      : path_(std::move(path)), listener_(std::move(listener)) {}

  std::filesystem::path path_;  // empty once moved from
  UniqueFd listener_;
};

}  // namespace locket::guest_agent
