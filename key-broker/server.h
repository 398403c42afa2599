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

// Serves `broker` from Start until the object dies. One TLS connection carries one request; the
// body is read only as far as Broker::Admit allows. Not thread-safe, but its threads call the
// broker.
class Server {
 public:
  // Succeeds if the files are a certificate and its own key. kInvalidArgument: they are not, or not
  // PEM; the message names the file.
  static Status CheckCertificate(const std::string& certificate_file, const std::string& key_file);

  // Listens when this returns. `broker` outlives the server. kInvalidArgument: as above, or `host`
  // is not a numeric address. Other errors: the address cannot be bound; nothing is left listening.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, Broker& broker);
  // Takes no more connections, lets the requests under way finish within their time, and returns
  // when the last has: after request_timeout for the request and as much for its answer at most.
  ~Server();
  Server(const Server&) = delete;

  int port() const;  // the one that was bound, also for port 0

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::key_broker
