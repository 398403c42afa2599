// Times the requests of a gRPC server, whatever services it has.
#pragma once

#include <grpcpp/grpcpp.h>

#include "snapshotter/metrics/metrics.h"

namespace locket::snapshotter {

// Before the server is built. `metrics` outlives it.
void TimeRequests(grpc::ServerBuilder& builder, Metrics& metrics);

}  // namespace locket::snapshotter
