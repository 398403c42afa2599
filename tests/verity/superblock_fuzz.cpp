// Any bytes decode to an error, or to a superblock that encodes back to the same bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "verity/superblock.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::verity;
  std::array<std::byte, kBlockSize> block{};
  const auto input = std::as_bytes(std::span(data, size));
  std::ranges::copy(input.first(std::min(size, block.size())), block.begin());
  const auto decoded = DecodeSuperblock(block);
  if (decoded.ok() && EncodeSuperblock(*decoded) != block) std::abort();
  return 0;
}
