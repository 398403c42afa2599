// Any text is refused with an error, or is a value that survives being printed and parsed again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const JsonLimits limits{.max_bytes = 1U << 20, .max_values = 1U << 16};
  const auto value = ParseJson(text, limits);
  if (!value.ok()) return 0;
  const auto again = ParseJson(DumpJson(*value), {.max_bytes = 8U << 20});
  if (!again.ok() || DumpJson(*again) != DumpJson(*value)) std::abort();
  return 0;
}
