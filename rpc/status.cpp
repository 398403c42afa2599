#include "rpc/status.h"

#include <array>
#include <cstddef>

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

// Bytes of the UTF-8 character at the start of `text`, 0 if there is none (RFC 3629: shortest form,
// no surrogates, nothing above U+10FFFF).
size_t CharacterLength(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < least || at(1) > most) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

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
    const size_t length = CharacterLength(message);
    const size_t step = length == 0 ? 1 : length;
    if (out.size() + step > kMaxMessageBytes) break;
    out += length == 0 ? std::string_view("?") : message.substr(0, length);
    message.remove_prefix(step);
  }
  return out;
}

}  // namespace locket::rpc
