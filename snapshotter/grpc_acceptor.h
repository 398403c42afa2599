// Connections of a listener, for a gRPC server: gRPC would bind a socket itself; it does not take
// one that is bound.
#pragma once

#include <memory>

#include "base/result.h"
#include "snapshotter/listener.h"

namespace grpc {
class Server;
}

namespace locket::snapshotter {

class GrpcAcceptor {
 public:
  // From now on `server`, which outlives it, gets each connection.
  static Result<std::unique_ptr<GrpcAcceptor>> Start(const Listener& listener,
                                                     grpc::Server& server);
  virtual ~GrpcAcceptor() = default;  // no more connections
};

}  // namespace locket::snapshotter
