// A registry of our own on a loopback port, to see what is asked of it and to let it misbehave.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace locket::snapshotter {

// Serves GET and HEAD of manifests and blobs by digest, with ranges, one request a connection.
class LoopbackRegistry {
 public:
  // What goes over the wire, however wrong.
  struct Raw {
    std::string bytes;
    bool reset = false;  // then the connection is reset, not closed
  };
  // Nothing: the usual answer.
  using Script = std::function<std::optional<Raw>(const std::string& request_head)>;

  LoopbackRegistry();
  ~LoopbackRegistry();
  LoopbackRegistry(const LoopbackRegistry&) = delete;

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  void Add(const std::string& bytes);

  // From now on, of `digest` the first `bytes` go out and then nothing, the connection staying
  // open.
  void StallAfter(const std::string& digest, size_t bytes);
  void StopStalling();
  // Returns once a stall has sent all it will.
  void WaitForStall();

  // From now on each request goes through `script` first; one without a function ends that.
  void Follow(Script script);

  // Offsets at which blob `digest` was asked for, in order.
  std::vector<size_t> OffsetsAsked(const std::string& digest);

 private:
  void Serve();
  void Answer(int fd);

  UniqueFd listener_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> content_;
  std::map<std::string, std::vector<size_t>> asked_;
  std::optional<std::pair<std::string, size_t>> stall_;
  Script script_;
  bool stalled_ = false;
  bool stopping_ = false;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace locket::snapshotter
