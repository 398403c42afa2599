#include "verity/sha256.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <utility>

#include "base/encoding.h"

namespace locket::verity {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Hashing memory with SHA-256 fails only when OpenSSL cannot allocate or has no SHA-256 at all.
void Require(bool done) {
  if (!done) std::abort();
}

}  // namespace

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, FreeContext> evp{EVP_MD_CTX_new()};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  Require(context_->evp != nullptr &&
          EVP_DigestInit_ex(context_->evp.get(), EVP_sha256(), nullptr) == 1);
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  Require(EVP_DigestUpdate(context_->evp.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::Finish() {
  Sha256Digest digest;
  Require(EVP_DigestFinal_ex(context_->evp.get(), reinterpret_cast<unsigned char*>(digest.data()),
                             nullptr) == 1);
  // No type: keeps the one it has, without looking it up again.
  Require(EVP_DigestInit_ex(context_->evp.get(), nullptr, nullptr) == 1);
  return digest;
}

Sha256Digest Sha256Of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

std::string DigestText(const Sha256Digest& digest) { return "sha256:" + HexEncode(digest); }

}  // namespace locket::verity
