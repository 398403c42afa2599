// An HTTP server on loopback that answers as a test tells it to, however wrong.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace locket::registry {

struct SeenRequest {
  std::string method;
  std::string target;                          // path and query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Reply {
  int status = 200;
  std::vector<std::string> headers{};  // besides Content-Length and Connection
  std::string body{};
  long content_length =
      -1;             // -1: that of `body`; -2: none, the end of the connection ends the body
  bool hang = false;  // after the body, nothing more until the client goes
};

using Handler = std::function<Reply(const SeenRequest&)>;

class ScriptedServer {
 public:
  explicit ScriptedServer(Handler handler);
  ~ScriptedServer();  // waits for its connections
  ScriptedServer(const ScriptedServer&) = delete;

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "http://" + host(); }
  // So far, in order.
  std::vector<SeenRequest> seen();

 private:
  void Serve();
  void Answer(int fd);

  Handler handler_;
  UniqueFd listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<SeenRequest> seen_;
  std::thread thread_;
};

}  // namespace locket::registry
