// Any bytes are refused, or decode to a payload that encodes and decodes to the same. The readers
// of public and private keys see the same bytes; no passphrase is tried, as scrypt is slow by
// design.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/encoding.h"
#include "image/sealed/signature.h"
#include "image/signing/cosign_key.h"
#include "image/signing/signing_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto payload = image::DecodeSigningPayload(AsText(bytes));
  if (payload.ok()) {
    const auto again = image::DecodeSigningPayload(image::EncodeSigningPayload(*payload));
    if (!again.ok() || *again != *payload) std::abort();
  }
  const auto key = image::DecodeCosignKey(AsText(bytes));
  if (key.ok() && (key->scrypt_n > 1U << 20 || key->scrypt_r > 8)) std::abort();
  static_cast<void>(image::PublicKey::FromPem(AsText(bytes)).ok());
  Secret pem(size);
  std::ranges::copy(bytes, pem.Reveal().begin());
  static_cast<void>(image::SigningKey::FromPem(pem, nullptr).ok());
  return 0;
}
