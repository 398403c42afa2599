// Any bytes are refused, or a digest or reference that is written back as it means.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "image/oci/digest.h"
#include "image/oci/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto digest = Digest::FromText(text);
  if (digest.ok() && digest->ToText() != text) std::abort();
  const auto location = ParseImageLocation(text);
  if (!location.ok()) return 0;
  const auto again = ParseImageLocation(location->ToText());
  if (!again.ok() || again->ToText() != location->ToText()) std::abort();
  return 0;
}
