#include "snapshotter/service/grpc_status.h"

#include "base/log.h"
#include "rpc/status.h"

namespace locket::snapshotter {

grpc::StatusCode ToGrpc(ErrorCode code) {
  return static_cast<grpc::StatusCode>(rpc::WireCode(code));
}

grpc::Status Fail(const char* request, const std::string& key, const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kCancelled:
      log::Debug("request refused", {{"request", request}, {"key", key}, log::Field(error)});
      break;
    default:
      log::Error("request failed", {{"request", request}, {"key", key}, log::Field(error)});
  }
  return {ToGrpc(error.code()), error.message()};
}

}  // namespace locket::snapshotter
