// Any bytes are refused, or decode to what encodes and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "initdata/initdata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::initdata;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto initdata = DecodeInitdata(text); initdata.ok()) {
    const auto again = DecodeInitdata(EncodeInitdata(*initdata));
    if (!again.ok() || *again != *initdata) std::abort();
  }
  if (const auto policy = DecodeGuestPolicy(text); policy.ok()) {
    const auto again = DecodeGuestPolicy(EncodeGuestPolicy(*policy));
    if (!again.ok() || *again != *policy) std::abort();
  }
  static_cast<void>(DecodeInitdataDevice(std::as_bytes(std::span(data, size))).ok());
  static_cast<void>(DecodeInitdataAnnotation(text).ok());
  return 0;
}
