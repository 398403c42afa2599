// Layer keys that follow from the layer: one tenant, one layer, one ciphertext
// (docs/formats/sealed-layer.md says what that reveals).
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "image/oci/digest.h"
#include "verity/layout.h"

namespace locket::image {

inline constexpr size_t kConvergentSecretBytes = 32;

struct ConvergentKey {
  Secret key;  // kLayerKeyBytes
  verity::Salt salt;
};

// HKDF-SHA-256 of the tenant's secret over the diff ID and `variant`, which names how the tar is
// laid out ("" for the plain layout): two layouts of one tar never share a key. kInvalidArgument:
// the secret is not 32 bytes.
Result<ConvergentKey> DeriveConvergentKey(const Secret& tenant_secret, const Digest& diff_id,
                                          std::string_view variant = {});

}  // namespace locket::image
