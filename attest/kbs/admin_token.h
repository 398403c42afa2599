// Who may administer a broker: the holder of an Ed25519 key whose public half the broker's
// configuration names. Each call carries a token (JWT) that the key signed for five minutes, so
// that no secret of the administrator's ever goes to the broker.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

inline constexpr std::string_view kAdminRole = "admin";
inline constexpr std::chrono::seconds kAdminTokenLifetime{300};

// Returns a token that is good from `now` on for kAdminTokenLifetime. `private_key_pem` is PKCS #8,
// as `openssl genpkey -algorithm ed25519` writes it. kInvalidArgument: not an Ed25519 private key.
Result<std::string> MakeAdminToken(std::string_view private_key_pem,
                                   std::chrono::system_clock::time_point now);
// Succeeds if `token` makes its bearer the administrator at `now`. kPermissionDenied: not signed by
// this key, expired, more than a minute in the future, or without the role. kInvalidArgument:
// `public_key_pem` is not a public key.
Status CheckAdminToken(std::string_view token, std::string_view public_key_pem,
                       std::chrono::system_clock::time_point now);

}  // namespace locket::attest
