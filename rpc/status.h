// ErrorCode on the wire: gRPC's numeric status codes, which ttrpc uses too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::rpc {

// Returns gRPC's number for `code`. CodeFromWire turns it back into the same code.
int32_t WireCode(ErrorCode code);

// Returns the code that comes closest to gRPC's number: ABORTED is kUnavailable, OUT_OF_RANGE is
// kInvalidArgument, UNAUTHENTICATED is kPermissionDenied, and UNKNOWN and numbers that gRPC does
// not define are kInternal. `wire_code` is not 0, which is success.
ErrorCode CodeFromWire(int32_t wire_code);

// Returns `message` in a form that a protobuf string can hold: each byte that is not part of valid
// UTF-8 becomes '?', and the text is cut after 16 KiB, between two characters.
std::string WireMessage(std::string_view message);

}  // namespace locket::rpc
