// For image/'s .cpp files, and its fuzz target: the JSON inside cosign's private key file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace locket::image {

// The encrypted key and the parameters of its encryption, scrypt and NaCl's secretbox.
struct CosignKey {
  uint64_t scrypt_n;
  uint32_t scrypt_r;
  uint32_t scrypt_p;
  std::vector<std::byte> salt;
  std::vector<std::byte> nonce;       // of NaCl's secretbox
  std::vector<std::byte> ciphertext;  // with its tag
};

// kInvalidArgument: not such a document, other algorithms, or costs that no honest file has.
Result<CosignKey> DecodeCosignKey(std::string_view json);

// Decrypts the key and returns it as PKCS #8 in DER. Takes as long as the file's scrypt costs say,
// which DecodeCosignKey has bounded. kPermissionDenied: the passphrase is wrong.
Result<Secret> OpenCosignKey(const CosignKey& key, const Secret& passphrase);

}  // namespace locket::image
