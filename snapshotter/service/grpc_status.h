// Our errors as gRPC's, and what the log hears of them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "base/result.h"

namespace locket::snapshotter {

grpc::StatusCode ToGrpc(ErrorCode code);

// The status to answer with. Logs it once: what containerd asks and answers by in its normal life
// is no news, the rest is.
grpc::Status Fail(const char* request, const std::string& key, const Error& error);

}  // namespace locket::snapshotter
