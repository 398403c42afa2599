// Where an OCI runtime hands over the master of a terminal it made: a socket in the file system.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

class ConsoleSocket {
 public:
  // `path` must not exist, and be short enough for an address: 107 bytes.
  static Result<ConsoleSocket> Listen(std::filesystem::path path);
  ConsoleSocket(ConsoleSocket&& other) noexcept = default;
  ConsoleSocket& operator=(ConsoleSocket&&) = delete;
  ~ConsoleSocket();  // removes the path

  const std::filesystem::path& path() const { return path_; }

  // The master, from a runtime that has ended already: does not wait. kInternal: it sent none.
  Result<UniqueFd> Receive() const;

 private:
  ConsoleSocket(std::filesystem::path path, UniqueFd listener)
      : path_(std::move(path)), listener_(std::move(listener)) {}

  std::filesystem::path path_;  // empty once moved from
  UniqueFd listener_;
};

}  // namespace locket::guest_agent
