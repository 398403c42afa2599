// Times the requests of a gRPC server, whatever services it has.
#pragma once

#include <grpcpp/grpcpp.h>

#include "snapshotter/metrics/metrics.h"

namespace locket::snapshotter {

// Makes the server that `builder` builds report every request to `metrics`, which outlives the
// server. Called before it is built.
void TimeRequests(grpc::ServerBuilder& builder, Metrics& metrics);

}  // namespace locket::snapshotter
