// Any bytes decode to an error, or to a snapshot that encodes back to the same bytes.
#include <cstdint>
#include <cstdlib>

#include "snapshotter/store/record_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto snapshot = locket::snapshotter::DecodeSnapshot(bytes);
  if (snapshot.ok() && locket::snapshotter::EncodeSnapshot(*snapshot) != bytes) std::abort();
  return 0;
}
