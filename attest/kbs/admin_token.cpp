#include "attest/kbs/admin_token.h"

#include "attest/common/json.h"
#include "attest/jose/jwt.h"

namespace locket::attest {

Result<std::string> MakeAdminToken(std::string_view private_key_pem,
                                   std::chrono::system_clock::time_point now) {
  LOCKET_TRY_ASSIGN(const auto key, SigningKey::FromPem(private_key_pem).While("admin key"));
  if (!key.is_ed25519()) {
    return Error(ErrorCode::kInvalidArgument, "admin key: it is not an Ed25519 key");
  }
  const int64_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return key.Sign(DumpJson({{"iss", "locket"},
                            {"role", kAdminRole},
                            {"iat", seconds},
                            {"exp", seconds + kAdminTokenLifetime.count()}}));
}

Status CheckAdminToken(std::string_view token, std::string_view public_key_pem,
                       std::chrono::system_clock::time_point now) {
  LOCKET_TRY_ASSIGN(const auto key, VerificationKey::FromPem(public_key_pem).While("admin key"));
  const auto claims = key.Verify(token, now);
  if (!claims.ok()) {
    return Error(ErrorCode::kPermissionDenied, "admin token: " + claims.error().message());
  }
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(claims.value()));
  const auto role = JsonText(object, "role");
  if (!role.ok() || role.value() != kAdminRole) {
    return Error(ErrorCode::kPermissionDenied, "admin token: its role is not 'admin'");
  }
  return Ok();
}

}  // namespace locket::attest
