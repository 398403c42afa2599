#include "rpc/status.h"

#include <array>
#include <cstddef>

#include "base/utf8.h"

namespace locket::rpc {
namespace {

constexpr size_t kMaxMessageBytes = 16U << 10;

struct Row {
  ErrorCode code;
  int32_t wire;
};

// First by code, so WireCode finds its own number; then what only others send.
constexpr std::array kTable{
    Row{ErrorCode::kCancelled, 1},         Row{ErrorCode::kInvalidArgument, 3},
    Row{ErrorCode::kDeadlineExceeded, 4},  Row{ErrorCode::kNotFound, 5},
    Row{ErrorCode::kAlreadyExists, 6},     Row{ErrorCode::kPermissionDenied, 7},
    Row{ErrorCode::kResourceExhausted, 8}, Row{ErrorCode::kFailedPrecondition, 9},
    Row{ErrorCode::kUnimplemented, 12},    Row{ErrorCode::kInternal, 13},
    Row{ErrorCode::kUnavailable, 14},      Row{ErrorCode::kDataLoss, 15},
    Row{ErrorCode::kInternal, 2},           // UNKNOWN
    Row{ErrorCode::kUnavailable, 10},       // ABORTED: the caller may try again
    Row{ErrorCode::kInvalidArgument, 11},   // OUT_OF_RANGE
    Row{ErrorCode::kPermissionDenied, 16},  // UNAUTHENTICATED
};

}  // namespace

int32_t WireCode(ErrorCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row.wire;
  }
  return 13;
}

ErrorCode CodeFromWire(int32_t wire_code) {
  for (const Row& row : kTable) {
    if (row.wire == wire_code) return row.code;
  }
  return ErrorCode::kInternal;
}

std::string WireMessage(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const size_t length = Utf8CharacterBytes(message);
    const size_t step = length == 0 ? 1 : length;
    if (out.size() + step > kMaxMessageBytes) break;
    out += length == 0 ? std::string_view("?") : message.substr(0, length);
    message.remove_prefix(step);
  }
  return out;
}

}  // namespace locket::rpc
