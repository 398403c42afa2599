// Any text is an error, or a list that written out again parses to itself.
#include <cstdint>
#include <cstdlib>

#include "device-plugin/tee_count.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::device_plugin;
  const auto counts = ParseMiscCounts(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!counts.ok()) return 0;
  std::string text;
  for (const auto& [name, number] : *counts) {
    text.append(name).append(" ").append(std::to_string(number)).append("\n");
  }
  const auto again = ParseMiscCounts(text);
  if (!again.ok() || *again != *counts) std::abort();
  return 0;
}
