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

// Life cycle: Start serves at once, on threads of gRPC and one that accepts; Shutdown or
// destruction ends it.
class GrpcServer {
 public:
  // Starts a server with the services that were registered with `builder`; they outlive the server.
  // Takes the listener over. kUnavailable: gRPC does not start.
  static Result<std::unique_ptr<GrpcServer>> Start(grpc::ServerBuilder& builder, Listener listener);
  virtual ~GrpcServer() = default;  // as Shutdown without grace

  // Accepts no more connections and calls, waits up to `grace` for calls under way, and cancels
  // what is left. A second call does nothing.
  virtual void Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace locket::rpc
