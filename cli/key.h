// Key encryption keys as files.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/result.h"
#include "base/secret.h"

namespace locket::cli {

// Writes 32 random bytes to a new file of mode 0600. kAlreadyExists: something is there; it is
// left as it was. On failure no file is left.
Status CreateKeyFile(const std::filesystem::path& path);

// A small file whose content nobody else needs to see. kResourceExhausted: more than `max_bytes`.
Result<Secret> ReadSecretFile(const std::filesystem::path& path, size_t max_bytes);

// kInvalidArgument: not exactly 32 bytes.
Result<Secret> ReadKeyFile(const std::filesystem::path& path);

}  // namespace locket::cli
