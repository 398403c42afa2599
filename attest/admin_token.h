// Who may administer a broker: a short-lived JWT signed with the administrator's Ed25519 key.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

inline constexpr std::string_view kAdminRole = "admin";
inline constexpr std::chrono::seconds kAdminTokenLifetime{300};

// `private_key_pem` is PKCS #8, as `openssl genpkey -algorithm ed25519` writes it.
// kInvalidArgument: it is no Ed25519 private key.
Result<std::string> MakeAdminToken(std::string_view private_key_pem,
                                   std::chrono::system_clock::time_point now);
// kPermissionDenied: not signed by this key, expired, from the future, or without the role.
Status CheckAdminToken(std::string_view token, std::string_view public_key_pem,
                       std::chrono::system_clock::time_point now);

}  // namespace locket::attest
