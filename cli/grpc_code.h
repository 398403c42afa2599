// Codes of gRPC in our own words. Only the clients of gRPC services see this header.
#pragma once

#include <grpcpp/grpcpp.h>

#include "base/result.h"

namespace locket::cli {

// Returns the code that says the same to a caller. kInternal for a code that we have no word for.
ErrorCode CodeOf(grpc::StatusCode code);

}  // namespace locket::cli
