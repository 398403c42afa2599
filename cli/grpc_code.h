// What a gRPC status means to a caller here.
#pragma once

#include <grpcpp/grpcpp.h>

#include "base/result.h"

namespace locket::cli {

ErrorCode CodeOf(grpc::StatusCode code);

}  // namespace locket::cli
