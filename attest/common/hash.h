// The hashes the KBS protocol lets both ends agree on.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::attest {

enum class HashAlgorithm { kSha256, kSha384, kSha512 };

// Returns the name in the KBS protocol: "sha256", "sha384", "sha512".
std::string_view HashName(HashAlgorithm algorithm);
// Reads a name in any letter case, as Trustee's client does. kInvalidArgument: none of the three.
Result<HashAlgorithm> ParseHashName(std::string_view name);

// Returns the digest of `bytes`: 32, 48 or 64 bytes.
std::vector<std::byte> Hash(HashAlgorithm algorithm, std::span<const std::byte> bytes);

// Fills `out` with random bytes that are good enough for keys. Ends the process if the generator
// has none: no secret may be made without.
void FillRandom(std::span<std::byte> out);

}  // namespace locket::attest
