// The server's end of one ttrpc stream. Internal to ttrpc_server.cpp.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "proto/ttrpc.pb.h"
#include "rpc/ttrpc_frame.h"
#include "rpc/ttrpc_server.h"

namespace locket::rpc {

// Reads requests on one thread (Run); their handlers, on threads of their own, answer through it.
// Shared by those threads, as whichever ends last closes the stream.
class TtrpcConnection : public std::enable_shared_from_this<TtrpcConnection> {
 public:
  // Runs a call on a thread of its own; an error when there can be no more.
  using Launch = std::function<Status(std::function<void()>)>;
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // `stop_fd` becomes readable when the server stops.
  TtrpcConnection(UniqueFd stream, int stop_fd, const TtrpcMethods& methods,
                  std::chrono::milliseconds frame_timeout, Launch launch)
      : stream_(std::move(stream)),
        stop_fd_(stop_fd),
        methods_(methods),
        frame_timeout_(frame_timeout),
        launch_(std::move(launch)) {}

  // Returns when the peer has closed the stream or broken it; after a stop when the calls under way
  // are answered as well. kDataLoss: the peer did not finish a frame.
  Status Run();

 private:
  enum class End { kPeerClosed, kStopped };
  Result<End> ServeRequests();
  // What woke the reader.
  struct Woken {
    bool readable;
    bool stopped;
  };
  Result<Woken> WaitForPeer();
  // False: the peer is gone.
  Result<bool> ReadSome();
  void HandleFrame(TtrpcFrame frame);
  Status StartCall(uint32_t stream, ttrpc::Request request);
  void AnswerRest();
  void AnswerOverdue();
  Deadline NearestDeadline();

  void Answer(uint32_t stream, const Result<std::string>& result);
  void Send(uint32_t stream, const Result<std::string>& result);

  const UniqueFd stream_;
  const int stop_fd_;
  const TtrpcMethods& methods_;
  const std::chrono::milliseconds frame_timeout_;
  const Launch launch_;

  TtrpcFrameDecoder decoder_;
  uint32_t last_stream_ = 0;
  std::optional<std::chrono::steady_clock::time_point> frame_begun_;

  std::mutex calls_mutex_;
  std::condition_variable calls_changed_;
  std::map<uint32_t, Deadline> calls_;  // not answered yet

  std::mutex send_mutex_;
  bool broken_ = false;  // under send_mutex_: nothing can be sent any more
};

}  // namespace locket::rpc
