// ttrpc server: methods by name, each call on a thread of its own, over any number of streams.
#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

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

class TtrpcServer {
 public:
  // `methods` must outlive the server.
  static std::unique_ptr<TtrpcServer> Create(const TtrpcMethods& methods);
  // Stops, then waits for running handlers.
  virtual ~TtrpcServer() = default;

  // Serves one connected stream on threads of its own until the peer closes it or Stop is called.
  virtual Status Serve(UniqueFd stream) = 0;

  // Accepts from a listening socket until Stop, on the calling thread.
  virtual Status AcceptLoop(int listening_fd) = 0;

  // Closes every stream and ends AcceptLoop. Callable from any thread and from a handler; answers
  // already given are still sent.
  virtual void Stop() = 0;
};

}  // namespace locket::rpc
