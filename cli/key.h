// Key encryption keys as files.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/result.h"
#include "base/secret.h"

namespace locket::cli {

// Writes 32 random bytes from the kernel to a new file, mode 0600, and syncs file and directory.
// kAlreadyExists: `path` exists; it stays as it is, as a lost key cannot be replaced. On any other
// failure there is no file.
Status CreateKeyFile(const std::filesystem::path& path);

// Returns the content of a regular file, in memory that is wiped afterwards. kInvalidArgument: not
// a regular file. kResourceExhausted: more than `max_bytes`. Other codes: the file cannot be read.
Result<Secret> ReadSecretFile(const std::filesystem::path& path, size_t max_bytes);

// Returns a key encryption key, or the secret of convergent keys: the content of a file of 32
// bytes. kInvalidArgument: the file has another size. Other codes as ReadSecretFile.
Result<Secret> ReadKeyFile(const std::filesystem::path& path);

}  // namespace locket::cli
