// The broker's network: HTTPS by libmicrohttpd, one request a connection, bounded in memory, time
// and connections (docs/decisions/0036).
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "key-broker/broker.h"
#include "key-broker/connections.h"

namespace locket::key_broker {

struct ServerOptions {
  std::string host;              // an address in numbers
  int port = 0;                  // 0: any free one
  std::string certificate_file;  // PEM, with its chain
  std::string key_file;          // PEM
  size_t max_body_bytes = 1U << 20;
  ConnectionLimits connections{};
  size_t threads = 8;
};

// The library's own limits are a second line behind Connections: sockets that were hung up on count
// there until their thread closes them.
inline constexpr size_t kSocketsPerConnection = 2;
inline constexpr size_t kMaxHeadBytes = 32U << 10;  // of one request; a chunk's line counts
inline constexpr size_t kMemoryBudget = 32U << 20;  // for bodies and answers beyond kFreeBytes

class Server {
 public:
  // kInvalidArgument: not a PEM certificate and its key; the message names the file.
  static Status CheckCertificate(const std::string& certificate_file, const std::string& key_file);

  // Listens when this returns. `broker` outlives the server.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, Broker& broker);
  // Takes no more connections, lets the requests under way finish within their time, and returns
  // then.
  ~Server();
  Server(const Server&) = delete;

  int port() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::key_broker
