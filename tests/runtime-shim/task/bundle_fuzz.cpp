// Any config.json is refused, or says where the container belongs.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime-shim/task/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::runtime_shim;
  const auto spec = ParseBundleSpec({reinterpret_cast<const char*>(data), size});
  if (!spec.ok()) return 0;
  if ((spec->kind == ContainerKind::kContainer) == spec->sandbox_id.empty()) std::abort();
  return 0;
}
