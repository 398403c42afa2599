// A broker that answers what a test wrote down, over real TLS, one answer a connection.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "attest/http/dialer.h"
#include "base/mutex.h"

namespace locket::attest {

class ScriptedServer {
 public:
  // The nth connection gets the nth answer; what is above the last is hung up on after the
  // handshake. `certificate` is a file of TestTlsDirectory().
  explicit ScriptedServer(std::vector<std::string> answers, std::string certificate = "server.pem")
      : answers_(std::move(answers)), certificate_(std::move(certificate)) {}
  ScriptedServer(const ScriptedServer&) = delete;
  ~ScriptedServer();

  Dialer Dial();
  // What arrived, by connection.
  std::vector<std::string> requests() const;

 private:
  void Serve(int fd, size_t number);

  const std::vector<std::string> answers_;
  const std::string certificate_;
  mutable Mutex mutex_;
  std::vector<std::thread> threads_ LOCKET_GUARDED_BY(mutex_);
  std::vector<std::string> requests_ LOCKET_GUARDED_BY(mutex_);
};

// With Content-Length, and further header lines.
std::string HttpAnswer(int status, const std::string& body, const std::string& headers = "");

}  // namespace locket::attest
