// Any line is refused, or is one of QMP's four messages. QEMU, which writes them, is in the hands
// of whoever breaks out of a guest.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime-shim/hypervisor/qmp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::runtime_shim;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto message = ParseQmpMessage(line);
  if (!message.ok() && message.error().code() != locket::ErrorCode::kDataLoss) std::abort();
  if (message.ok() && message->kind == QmpMessage::Kind::kGreeting && !message->id.empty()) {
    std::abort();
  }
  return 0;
}
