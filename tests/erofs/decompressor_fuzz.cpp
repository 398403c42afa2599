// Any bytes end in an error or in an end, and in the same whichever way they are cut into pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "erofs/decompressor.h"

namespace {

constexpr size_t kMaxOutput = 1U << 20;

// nullopt: damaged. What comes out is cut off at kMaxOutput.
std::optional<std::string> Unpacked(std::span<const uint8_t> data, size_t piece, size_t step) {
  const auto source = [&](std::span<std::byte> out) -> locket::Result<size_t> {
    const size_t part = std::min({out.size(), data.size(), piece});
    std::ranges::copy(std::as_bytes(data.first(part)), out.begin());
    data = data.subspan(part);
    return part;
  };
  auto decompressor = locket::erofs::Decompressor::Open(source);
  if (!decompressor.ok()) std::abort();  // only the source fails here
  std::vector<std::byte> buffer(step);
  std::string all;
  while (all.size() < kMaxOutput) {
    const auto got = decompressor->Read(buffer);
    if (!got.ok()) return std::nullopt;
    if (*got == 0) return all;
    all.append(reinterpret_cast<const char*>(buffer.data()), *got);
  }
  all.resize(kMaxOutput);
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto whole = Unpacked({data, size}, SIZE_MAX, 200'000);
  const auto pieces = Unpacked({data, size}, 7, 5000);
  // Where it is damaged only beyond kMaxOutput, the one may notice and the other not.
  const bool cut_off =
      (whole && whole->size() == kMaxOutput) || (pieces && pieces->size() == kMaxOutput);
  if (!cut_off && whole != pieces) std::abort();
  return 0;
}
