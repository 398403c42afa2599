// The hashes of initdata.h, through OpenSSL.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

#include "initdata/initdata.h"

namespace locket::initdata {
namespace {

const EVP_MD* HashFor(InitdataAlgorithm algorithm) {
  switch (algorithm) {
    case InitdataAlgorithm::kSha384:
      return EVP_sha384();
    case InitdataAlgorithm::kSha512:
      return EVP_sha512();
    case InitdataAlgorithm::kSha256:
      break;
  }
  return EVP_sha256();
}

}  // namespace

std::vector<std::byte> InitdataDigest(InitdataAlgorithm algorithm, std::string_view toml) {
  std::vector<std::byte> digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  // Fails only if the library itself is unusable or out of memory: nothing to carry on with.
  if (EVP_Digest(toml.data(), toml.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 HashFor(algorithm), nullptr) != 1) {
    std::abort();
  }
  digest.resize(size);
  return digest;
}

std::array<std::byte, 32> HostDataFor(InitdataAlgorithm algorithm, std::string_view toml) {
  std::array<std::byte, 32> host_data{};
  const auto digest = InitdataDigest(algorithm, toml);
  std::copy_n(digest.begin(), host_data.size(), host_data.begin());
  return host_data;
}

}  // namespace locket::initdata
