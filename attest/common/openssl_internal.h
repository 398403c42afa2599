// OpenSSL's objects as owned values, and its error queue as text. For the crypto .cpp files of
// attest alone.
//
// OpenSSL keeps errors in a queue of the calling thread. Code here leaves that queue empty, so that
// a later reason is never an earlier failure's: it calls OpenSslReason, OpenSslError or
// ERR_clear_error on each path that failed.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

template <auto Free>
struct OpenSslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using PkeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using PkeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, OpenSslFree<EVP_PKEY_CTX_free>>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX_free>>;
using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, OpenSslFree<EVP_CIPHER_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, OpenSslFree<X509_free>>;

inline const unsigned char* Bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* Out(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// Returns OpenSSL's latest reason on this thread in its own words, and empties the queue.
inline std::string OpenSslReason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}
// Returns kInternal with `doing` and OpenSSL's reason, and empties the queue.
inline Error OpenSslError(std::string_view doing) {
  return {ErrorCode::kInternal, std::string(doing) + ": " + OpenSslReason()};
}

// Returns a BIO that reads `text`, which outlives it.
inline BioPtr ReadOnlyBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
// Returns what was written to a memory BIO so far.
inline std::string BioText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

// For PEM readers: no key of ours has a pass phrase, and nobody is there to be asked for one.
inline int NoPassPhrase(char*, int, int, void*) { return -1; }

}  // namespace locket::attest
