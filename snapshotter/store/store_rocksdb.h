// The store on RocksDB: one record for each snapshot, one synced write batch for each transaction.
#pragma once

#include <filesystem>
#include <memory>

#include "snapshotter/store/store.h"

namespace locket::snapshotter {

// Opens the database in `directory`, or creates it; the parent of `directory` exists. kUnavailable:
// another process has it open. kDataLoss: it was written by a newer version, or is damaged; its
// files are left as they are.
Result<std::unique_ptr<Store>> OpenRocksDbStore(const std::filesystem::path& directory);

}  // namespace locket::snapshotter
