// Any bytes are no token of our key, no JWE to it, and at best somebody's public key.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attest/jose/jwe.h"
#include "attest/jose/jwt.h"
#include "base/encoding.h"

namespace {

using namespace locket;

// RFC 7518, appendix C.
constexpr auto kBob =
    R"({"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",)"
    R"("y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",)"
    R"("d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"})";

attest::VerificationKey SomeKey() {
  const auto key = attest::SigningKey::Generate();
  return std::move(*attest::VerificationKey::FromPem(key->PublicPem()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const attest::TeeKey bob = std::move(*attest::TeeKey::FromJwk(kBob));
  static const attest::VerificationKey key = SomeKey();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)bob.Decrypt(text);
  if (key.Verify(text, std::chrono::system_clock::time_point()).ok()) std::abort();
  (void)attest::VerificationKey::FromPem(text);
  (void)attest::TeeKey::FromJwk(text);
  (void)attest::EncryptJwe(text, AsBytes("plain"));
  return 0;
}
