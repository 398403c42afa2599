// ttrpc server: methods by name, each call on a thread of its own, over any number of streams.
#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::rpc {

struct CallContext {
  std::optional<std::chrono::steady_clock::time_point> deadline{};
  std::multimap<std::string, std::string> metadata{};
};

// Methods of services, filled before serving. Handlers run concurrently, may block for long (a Wait
// call lasts as long as its container) and must not throw.
class TtrpcMethods {
 public:
  using Raw = std::function<Result<std::string>(const CallContext&, std::string_view payload)>;

  void AddRaw(std::string_view service, std::string_view method, Raw handler);

  // handler: Status(const CallContext&, const Request&, Response*)
  template <typename Request, typename Response, typename Handler>
  void Add(std::string_view service, std::string_view method, Handler handler) {
    AddRaw(service, method,
           [handler = std::move(handler)](const CallContext& context,
                                          std::string_view payload) -> Result<std::string> {
             Request request;
             if (!request.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
               return Error(ErrorCode::kInvalidArgument, "request does not parse");
             }
             Response response;
             LOCKET_TRY(handler(context, request, &response));
             return response.SerializeAsString();
           });
  }

  // Null when there is no such method.
  const Raw* Find(std::string_view service, std::string_view method) const;

 private:
  std::map<std::string, Raw, std::less<>> handlers_;  // by "service/method"
};

struct TtrpcServerOptions {
  size_t max_calls = 512;  // at a time, over all streams; more are answered kResourceExhausted
  // A peer that takes longer over one frame is cut off: after half a frame of a peer that then
  // starts over, this is what brings the two back into step.
  std::chrono::milliseconds frame_timeout = std::chrono::seconds(30);
};

// Refuses what is wrong and keeps the stream: an even or reused stream ID, an envelope that does
// not parse (kInvalidArgument), a frame over 4 MiB either way (kResourceExhausted), an unknown
// method (kUnimplemented). A call whose timeout passes is answered kDeadlineExceeded; its handler
// runs on.
class TtrpcServer {
 public:
  // `methods` must outlive the server.
  static std::unique_ptr<TtrpcServer> Create(const TtrpcMethods& methods,
                                             const TtrpcServerOptions& options = {});
  // Stops, then waits for running handlers.
  virtual ~TtrpcServer() = default;

  // Serves one connected stream socket on threads of its own until the peer closes it or Stop is
  // called; returns at once. kCancelled: the server has stopped.
  virtual Status Serve(UniqueFd stream) = 0;

  // The same on the calling thread: returns when the peer has closed the stream. kDataLoss: it
  // ended or stalled inside a frame. kCancelled: the server has stopped; the calls are answered.
  virtual Status ServeHere(UniqueFd stream) = 0;

  // Accepts from a listening socket until Stop, on the calling thread.
  virtual Status AcceptLoop(int listening_fd) = 0;

  // Ends AcceptLoop and reads no more requests. Calls under way are still answered when their
  // handlers return; each stream closes with its last one. Callable from any thread and from a
  // handler.
  virtual void Stop() = 0;
};

}  // namespace locket::rpc
