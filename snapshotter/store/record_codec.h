// The bytes of one snapshot in the store. Little-endian numbers, strings with a 32-bit length,
// labels in ascending order, so a snapshot has exactly one encoding.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

std::string EncodeSnapshot(const Snapshot& snapshot);

// kDataLoss: not what EncodeSnapshot writes, to the last byte.
Result<Snapshot> DecodeSnapshot(std::string_view bytes);

}  // namespace locket::snapshotter
