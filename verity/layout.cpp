#include "verity/layout.h"

#include <algorithm>
#include <string>

#include "base/encoding.h"

namespace locket::verity {
namespace {

constexpr uint64_t kHashesPerBlock = kBlockSize / sizeof(Sha256Digest);

// A terminating zero byte separates the label from what follows.
Sha256Digest Labelled(std::string_view label, std::span<const std::byte> value) {
  Sha256 hash;
  hash.Update(AsBytes(label));
  hash.Update(std::array{std::byte{0}});
  hash.Update(value);
  return hash.Finish();
}

// RFC 4122 variant, version 5: the nearest to "a hash of a name".
Uuid UuidFrom(const Sha256Digest& digest) {
  Uuid uuid;
  std::copy_n(digest.begin(), uuid.size(), uuid.begin());
  uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x50};
  uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

}  // namespace

Result<Layout> LayoutFor(uint64_t data_size) {
  if (data_size < kBlockSize || data_size > kMaxDataSize || data_size % kBlockSize != 0) {
    return Error(ErrorCode::kInvalidArgument, "data size " + std::to_string(data_size) +
                                                  " is not a multiple of 4096 between 4096 and " +
                                                  std::to_string(kMaxDataSize));
  }
  Layout layout{.data_size = data_size,
                .superblock_offset = data_size,
                .tree_offset = data_size + kBlockSize,
                .tree_size = 0,
                .blob_size = 0,
                .level_blocks = {}};
  for (uint64_t blocks = data_size / kBlockSize; blocks > 1;) {
    blocks = (blocks + kHashesPerBlock - 1) / kHashesPerBlock;
    layout.level_blocks.push_back(blocks);
    layout.tree_size += blocks * kBlockSize;
  }
  layout.blob_size = layout.tree_offset + layout.tree_size;
  return layout;
}

Result<Layout> LayoutFor(uint64_t data_size, uint64_t blob_size) {
  LOCKET_TRY_ASSIGN(Layout layout, LayoutFor(data_size));
  if (layout.blob_size != blob_size) {
    return Error(ErrorCode::kDataLoss, "the blob is " + std::to_string(blob_size) +
                                           " bytes long; with " + std::to_string(data_size) +
                                           " bytes of data it must be " +
                                           std::to_string(layout.blob_size));
  }
  return layout;
}

Salt SaltForDiffId(std::string_view diff_id) {
  return Labelled("locket.verity.salt.v1", AsBytes(diff_id));
}

Uuid ErofsUuidForDiffId(std::string_view diff_id) {
  return UuidFrom(Labelled("locket.erofs.uuid.v1", AsBytes(diff_id)));
}

Uuid SuperblockUuidForSalt(const Salt& salt) {
  return UuidFrom(Labelled("locket.verity.uuid.v1", salt));
}

}  // namespace locket::verity
