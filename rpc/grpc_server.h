// A gRPC server on a listener: gRPC would bind a socket itself and takes none that is bound, so
// connections are accepted here.
#pragma once

#include <chrono>
#include <memory>

#include "base/listener.h"
#include "base/result.h"

namespace grpc {
class ServerBuilder;
}

namespace locket::rpc {

class GrpcServer {
 public:
  // Serves what `builder` was told of, and what outlives the server. kUnavailable: gRPC does not
  // start.
  static Result<std::unique_ptr<GrpcServer>> Start(grpc::ServerBuilder& builder, Listener listener);
  virtual ~GrpcServer() = default;  // as Shutdown without grace

  // Takes nothing new and waits up to `grace` for calls under way, then cancels them. Repeating it
  // does nothing.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::rpc
