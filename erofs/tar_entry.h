// For tar_reader.cpp: what a header and its pax records say, as an entry.
#pragma once

#include "base/result.h"
#include "erofs/pax_records.h"
#include "erofs/tar_header.h"
#include "erofs/tar_reader.h"

namespace locket::erofs {

// How many bytes fill a body of `size` bytes up to a whole block.
constexpr uint64_t PaddingOf(uint64_t size) {
  return (kTarBlockBytes - size % kTarBlockBytes) % kTarBlockBytes;
}

// `pax` may be null. kInvalidArgument: a type that a layer cannot hold, or a number out of range.
Result<TarEntry> MakeTarEntry(const TarHeader& header, const PaxRecords* pax);

}  // namespace locket::erofs
