// ErrorCode on the wire: gRPC's numeric status codes, which ttrpc uses too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::rpc {

int32_t WireCode(ErrorCode code);

// The nearest of our codes; kInternal for numbers nobody has defined. `wire_code` is not 0, which
// is success.
ErrorCode CodeFromWire(int32_t wire_code);

// `message` as it may stand in a protobuf string: every byte that is not part of valid UTF-8
// becomes
// '?', and what is over 16 KiB is cut off.
std::string WireMessage(std::string_view message);

}  // namespace locket::rpc
