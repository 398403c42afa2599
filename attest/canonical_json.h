// RFC 8785: one spelling for one JSON value, so that both ends hash the same bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

// kInvalidArgument: not JSON, too large or too deep (json.h), not I-JSON (a number beyond a
// double).
Result<std::string> CanonicalJson(std::string_view json);

}  // namespace locket::attest
