// Where the data of a sparse file in a tar belongs: GNU's old format, and its pax formats 0.0, 0.1
// and 1.0.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "erofs/pax_records.h"
#include "erofs/tar_blocks.h"

namespace locket::erofs {

struct SparsePiece {
  uint64_t offset;
  uint64_t size;
};

struct SparseFile {
  std::optional<std::string> name{};  // pax formats may give the real one
  uint64_t size;                      // of the file with its holes
  std::vector<SparsePiece> pieces;    // ascending, not overlapping, within `size`
  uint64_t map_bytes = 0;             // of the entry's body that the map took: format 1.0
};

// Reads what follows a header of type 'S', `block`, out of `tar`. At most `max_bytes` of it:
// kResourceExhausted. kInvalidArgument: the map is malformed.
Result<SparseFile> ReadOldSparseMap(TarBlocks& tar, const TarBlock& block, uint64_t max_bytes);

// Nothing if the records do not make the entry a sparse file. Format 1.0 has its map at the
// beginning of the entry's body, `body_bytes` long, which `tar` is at. Errors as above, and
// kInvalidArgument: a format that nobody knows.
Result<std::optional<SparseFile>> ReadPaxSparseMap(TarBlocks& tar, const PaxRecords& pax,
                                                   uint64_t entry_size, uint64_t body_bytes,
                                                   uint64_t max_bytes);

}  // namespace locket::erofs
