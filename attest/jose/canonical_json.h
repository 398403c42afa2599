// RFC 8785 (JCS): one spelling for one JSON value, so that both ends hash the same bytes. A guest
// and its broker hash the nonce and the guest's key in this form (ReportDataFor, kbs_messages.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

// Returns the canonical spelling of `json`: members sorted by their UTF-16 code units, no white
// space, numbers as ECMAScript writes them. kInvalidArgument: not JSON, too large or too deep
// (json.h), not I-JSON (a number beyond a double).
Result<std::string> CanonicalJson(std::string_view json);

}  // namespace locket::attest
