// The broker's network: HTTPS over cpp-httplib, bounded in body size, time and threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "key-broker/broker.h"

namespace locket::key_broker {

struct ServerOptions {
  std::string host;
  int port = 0;                  // 0: any free one
  std::string certificate_file;  // PEM, with its chain
  std::string key_file;          // PEM
  size_t max_body_bytes = 1U << 20;
  std::chrono::seconds idle_timeout{10};  // for each read and write, the handshake's included
  size_t threads = 16;
};

class Server {
 public:
  // kInvalidArgument: not a PEM certificate and its key; the message names the file.
  static Status CheckCertificate(const std::string& certificate_file, const std::string& key_file);

  // Listens when this returns. `broker` outlives the server.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options, Broker& broker);
  // Takes no more connections, lets the requests under way finish, and returns then.
  ~Server();
  Server(const Server&) = delete;

  int port() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::key_broker
