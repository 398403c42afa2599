// The store on RocksDB: one record a snapshot, every transaction one synced write batch.
#pragma once

#include <filesystem>
#include <memory>

#include "snapshotter/store/store.h"

namespace locket::snapshotter {

// Opens or creates the database in `directory`, whose parent exists. kUnavailable: another process
// has it open. kDataLoss: it was written by a newer version, or is damaged.
Result<std::unique_ptr<Store>> OpenRocksDbStore(const std::filesystem::path& directory);

}  // namespace locket::snapshotter
