// Our errors as those of gRPC, and what is logged of them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "base/result.h"

namespace locket::snapshotter {

// Returns gRPC's code of the same name.
grpc::StatusCode ToGrpc(ErrorCode code);

// Returns the status to answer a request with, and logs it once: at debug level if containerd meets
// such errors in its normal life (a snapshot that is there already, for example), else as an error.
grpc::Status Fail(const char* request, const std::string& key, const Error& error);

}  // namespace locket::snapshotter
