#include "cli/utc_time.h"

#include <array>
#include <ctime>

namespace locket::cli {

std::string UtcTime(int64_t nanoseconds_since_1970) {
  const std::time_t when = nanoseconds_since_1970 / 1'000'000'000;
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  std::array<char, 32> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

}  // namespace locket::cli
