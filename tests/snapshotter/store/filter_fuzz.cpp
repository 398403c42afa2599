// Any text parses to an error, or to a filter that can be asked; a value quoted anew matches
// itself.
#include <cstdint>
#include <cstdlib>

#include "snapshotter/store/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::snapshotter;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Snapshot snapshot{.id = 1,
                    .kind = Kind::kView,
                    .name = std::string(text),
                    .created_ns = 0,
                    .updated_ns = 0,
                    .labels = {{"l", "v"}}};
  if (const auto filter = Filter::Parse(text); filter.ok()) (void)filter->Matches(snapshot);
  std::string quoted = "name==\"";
  for (const char c : text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    quoted.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  const auto same = Filter::Parse(quoted + '"');
  if (size < 10'000 && !(same.ok() && same->Matches(snapshot))) std::abort();
  return 0;
}
