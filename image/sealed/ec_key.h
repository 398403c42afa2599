// For image/'s crypto files only: OpenSSL's objects with an owner.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>

#include <memory>

#include "base/result.h"

namespace locket::image {

// Frees each kind of object with OpenSSL's own function.
struct OpensslFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using EcKey = std::unique_ptr<EVP_PKEY, OpensslFree>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, OpensslFree>;
using Bio = std::unique_ptr<BIO, OpensslFree>;

// Succeeds if `key` is an EC key on P-256, the one curve of our signatures. kInvalidArgument: it is
// of another kind or curve.
Status CheckP256(const EVP_PKEY* key);

}  // namespace locket::image
