// The hashes the KBS protocol lets both ends agree on.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::attest {

enum class HashAlgorithm { kSha256, kSha384, kSha512 };

std::string_view HashName(HashAlgorithm algorithm);  // "sha384"
// Any letter case, as Trustee's client does. kInvalidArgument: none of the three.
Result<HashAlgorithm> ParseHashName(std::string_view name);

std::vector<std::byte> Hash(HashAlgorithm algorithm, std::span<const std::byte> bytes);

// From the kernel's generator.
void FillRandom(std::span<std::byte> out);

}  // namespace locket::attest
