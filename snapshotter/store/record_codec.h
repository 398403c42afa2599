// The bytes of one snapshot's record in the store.
//
// A record begins with a version byte. Numbers are little-endian, strings have a 32-bit length in
// front, labels are in ascending order of their keys; optional parts have a flag. So a snapshot has
// exactly one encoding, and equal bytes mean equal snapshots.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/store/snapshot.h"

namespace locket::snapshotter {

// Returns the record's bytes.
std::string EncodeSnapshot(const Snapshot& snapshot);

// Returns the snapshot that the bytes encode. Sizes are checked before memory is taken, so any
// bytes may be passed. kDataLoss: the bytes are not what EncodeSnapshot returns, to the last byte,
// or those of another version.
Result<Snapshot> DecodeSnapshot(std::string_view bytes);

}  // namespace locket::snapshotter
