// The store on this machine's disk, in RocksDB. The directory is the secret: mode 0700, files 0600,
// and RocksDB keeps what it wrote in memory and on disk until it compacts.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "key-broker/store.h"

namespace locket::key_broker {

// Makes `directory` (0700) unless it is there. The process's umask must keep files from others
// (main sets 0077). kPermissionDenied: the directory is open to others. kFailedPrecondition:
// another process has the store open.
Result<std::unique_ptr<Store>> OpenRocksDbStore(const std::filesystem::path& directory);

}  // namespace locket::key_broker
