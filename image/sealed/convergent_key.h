// Layer keys that are derived from a tenant's secret and the layer, so that sealing the same layer
// twice gives the same blob. docs/formats/sealed-layer.md says what that reveals to the host.
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

// Returns the key and the salt: HKDF-SHA-256 of the tenant's secret over the diff ID and `variant`.
// `variant` names how the tar is laid out ("" for the plain layout), so that two layouts of one tar
// never share a key. kInvalidArgument: the secret is not 32 bytes long.
Result<ConvergentKey> DeriveConvergentKey(const Secret& tenant_secret, const Digest& diff_id,
                                          std::string_view variant = {});

}  // namespace locket::image
