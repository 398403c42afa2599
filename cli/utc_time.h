// Times as all commands print them.
#pragma once

#include <cstdint>
#include <string>

namespace locket::cli {

// Returns the time in UTC, to the second, as in RFC 3339: "2026-11-24T09:30:00Z".
std::string UtcTime(int64_t nanoseconds_since_1970);

}  // namespace locket::cli
