// Any bytes end in an error, or in an image whose superblock says how long it is and which our
// reader takes, whatever lies below. Checksums of what looks like a header are put right first: the
// fuzzer would not get past them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "erofs/image_builder.h"
#include "erofs/image_reader.h"
#include "erofs/merge_directories.h"

namespace {

constexpr size_t kPiece = 3000;  // what crosses from one piece to the next is worth trying

class MemorySink final : public locket::erofs::BlockSink {
 public:
  locket::Status Write(uint64_t first_block, std::span<std::byte> blocks) override {
    const uint64_t offset = first_block * locket::erofs::kBlockSize;
    bytes_.resize(std::max(bytes_.size(), offset + blocks.size()));
    std::ranges::copy(blocks, bytes_.begin() + static_cast<ptrdiff_t>(offset));
    return locket::Ok();
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

uint32_t Get32(const std::vector<std::byte>& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

std::vector<uint8_t> WithChecksums(const uint8_t* data, size_t size) {
  std::vector<uint8_t> tar(data, data + size);
  for (size_t at = 0; at + 512 <= tar.size(); at += 512) {
    uint8_t* header = tar.data() + at;
    if (std::memcmp(header + 257, "ustar", 5) != 0) continue;
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += header[i];
    for (size_t digit = 0; digit < 6; ++digit) {
      header[148 + digit] = static_cast<uint8_t>('0' + (sum >> (15 - 3 * digit) & 7));
    }
    header[154] = 0;
  }
  return tar;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::erofs;
  MemorySink sink;
  auto builder = ImageBuilder::Create(
      {.spool_directory = "/dev/shm",
       .limits = {.image_bytes = 4U << 20, .inodes = 5000, .metadata_bytes = 1U << 20}},
      sink);
  if (!builder.ok()) std::abort();
  const auto tar = WithChecksums(data, size);
  std::span<const uint8_t> left(tar);
  const auto pieces = [&]() -> locket::Result<std::span<const std::byte>> {
    const auto piece = left.first(std::min(left.size(), kPiece));
    left = left.subspan(piece.size());
    return std::as_bytes(piece);
  };
  if (!builder->AddTar(pieces).ok()) return 0;
  LowerDirectories lower;
  const auto root = lower.PutRoot({.mode = 0040555, .uid = 7, .xattrs = {{"user.below", "1"}}});
  if (!root.ok() || !lower.Put(*root, "etc", {.mode = 0040700, .mtime = -5}).ok()) std::abort();
  const auto image = builder->Finish({}, &lower);
  if (!image.ok()) return 0;
  const bool right = sink.bytes().size() == image->size_bytes &&
                     Get32(sink.bytes(), 1024) == 0xe0f5e1e2 &&
                     uint64_t{Get32(sink.bytes(), 1024 + 36)} * kBlockSize == image->size_bytes;
  if (!right) std::abort();
  const auto read = [&](uint64_t offset, std::span<std::byte> out) -> locket::Status {
    std::ranges::copy(std::span(sink.bytes()).subspan(offset, out.size()), out.begin());
    return locket::Ok();
  };
  const auto reader = ImageReader::Open(read, image->size_bytes);
  if (!reader.ok() || !DependsOnLower(*reader, lower).ok()) std::abort();
  if (!MergeDirectories(*reader, lower).ok()) std::abort();
  return 0;
}
