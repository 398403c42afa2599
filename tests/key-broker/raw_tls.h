// A TLS client that says what a test likes, in pieces, and believes any certificate.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace locket::key_broker {

class RawTls {
 public:
  // Connects to 127.0.0.1. With `handshake` false it says nothing on its own.
  explicit RawTls(int port, bool handshake = true);
  RawTls(RawTls&&) noexcept;
  RawTls& operator=(RawTls&&) noexcept;
  ~RawTls();

  // False: the other side has hung up, or takes nothing for ten seconds.
  bool Send(std::string_view bytes);
  // What comes next; empty: the other side has ended.
  std::string Receive();
  // What comes until the other side ends, at most `timeout`.
  std::string ReceiveAll(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Whether the other side has ended by now. What it says meanwhile is lost.
  bool Ended() const;
  // True: it ended within `timeout`. What it says meanwhile is lost.
  bool WaitForEnd(std::chrono::milliseconds timeout) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::key_broker
