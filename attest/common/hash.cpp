#include "attest/common/hash.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

#include "attest/common/openssl_internal.h"

namespace locket::attest {
namespace {

const EVP_MD* Digest(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha384:
      return EVP_sha384();
    case HashAlgorithm::kSha512:
      return EVP_sha512();
  }
  std::abort();
}

}  // namespace

std::string_view HashName(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha256:
      return "sha256";
    case HashAlgorithm::kSha384:
      return "sha384";
    case HashAlgorithm::kSha512:
      return "sha512";
  }
  std::abort();
}

Result<HashAlgorithm> ParseHashName(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto algorithm :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (lower == HashName(algorithm)) return algorithm;
  }
  return Error(ErrorCode::kInvalidArgument, "hash algorithm '" + std::string(name.substr(0, 32)) +
                                                "' is not sha256, sha384 or sha512");
}

std::vector<std::byte> Hash(HashAlgorithm algorithm, std::span<const std::byte> bytes) {
  std::vector<std::byte> out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  // Fails only without memory.
  if (EVP_Digest(bytes.data(), bytes.size(), Out(out), &size, Digest(algorithm), nullptr) != 1) {
    std::abort();
  }
  out.resize(size);
  return out;
}

void FillRandom(std::span<std::byte> out) {
  // No secret may come from a generator that says it has none.
  if (RAND_priv_bytes(Out(out), static_cast<int>(out.size())) != 1) std::abort();
}

}  // namespace locket::attest
