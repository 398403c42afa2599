#include "attest/evidence/claims_json.h"

#include <algorithm>
#include <limits>

#include "attest/common/json.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

Error Malformed(std::string_view name) {
  return {ErrorCode::kInvalidArgument, "claims: '" + std::string(name) + "' is malformed"};
}

Result<nlohmann::json> Member(const nlohmann::json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) return Malformed(name);
  return object[name];
}

template <size_t kSize>
Status ReadHex(const nlohmann::json& object, const char* name, std::array<std::byte, kSize>* out) {
  LOCKET_TRY_ASSIGN(const auto member, Member(object, name));
  const auto bytes = HexDecode(member.is_string() ? member.get<std::string>() : "not text");
  if (!bytes.ok() || bytes->size() != kSize) return Malformed(name);
  std::ranges::copy(*bytes, out->begin());
  return Ok();
}

Status ReadBool(const nlohmann::json& object, const char* name, bool* out) {
  LOCKET_TRY_ASSIGN(const auto member, Member(object, name));
  if (!member.is_boolean()) return Malformed(name);
  *out = member.get<bool>();
  return Ok();
}

template <typename T>
Result<T> Unsigned(const nlohmann::json& value, const char* name) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<T>::max()) {
    return Malformed(name);
  }
  return value.get<T>();
}

Result<std::vector<Tcb>> ReadTcbs(const nlohmann::json& object) {
  LOCKET_TRY_ASSIGN(const auto list, Member(object, "tcbs"));
  if (!list.is_array()) return Malformed("tcbs");
  std::vector<Tcb> tcbs;
  for (const auto& item : list) {
    LOCKET_TRY_ASSIGN(const auto which, Member(item, "which"));
    LOCKET_TRY_ASSIGN(const auto levels, Member(item, "levels"));
    if (!which.is_string() || !levels.is_object()) return Malformed("tcbs");
    Tcb tcb{.which = which.get<std::string>(), .levels = {}};
    for (const auto& level : levels.items()) {
      LOCKET_TRY_ASSIGN(tcb.levels[level.key()], Unsigned<uint8_t>(level.value(), "tcbs"));
    }
    tcbs.push_back(std::move(tcb));
  }
  return tcbs;
}

Result<std::set<std::string>> ReadPlatform(const nlohmann::json& object) {
  LOCKET_TRY_ASSIGN(const auto list, Member(object, "platform"));
  if (!list.is_array()) return Malformed("platform");
  std::set<std::string> names;
  for (const auto& item : list) {
    if (!item.is_string()) return Malformed("platform");
    names.insert(item.get<std::string>());
  }
  return names;
}

}  // namespace

nlohmann::json ClaimsToJson(const Claims& claims) {
  auto tcbs = nlohmann::json::array();
  for (const auto& tcb : claims.tcbs)
    tcbs.push_back({{"which", tcb.which}, {"levels", tcb.levels}});
  return {{"tee", TeeKindName(claims.tee)},
          {"measurement", HexEncode(claims.measurement)},
          {"host_data", HexEncode(claims.host_data)},
          {"tcbs", std::move(tcbs)},
          {"platform", claims.platform},
          {"debug", claims.debug},
          {"migratable", claims.migratable},
          {"privilege_level", claims.privilege_level}};
}

Result<Claims> ClaimsFromJson(const nlohmann::json& json) {
  LOCKET_TRY_ASSIGN(const auto tee, Member(json, "tee"));
  LOCKET_TRY_ASSIGN(const auto kind,
                    ParseTeeKind(tee.is_string() ? tee.get<std::string>() : "not text"));
  Claims claims{.tee = kind};
  LOCKET_TRY(ReadHex(json, "measurement", &claims.measurement));
  LOCKET_TRY(ReadHex(json, "host_data", &claims.host_data));
  LOCKET_TRY_ASSIGN(claims.tcbs, ReadTcbs(json));
  LOCKET_TRY_ASSIGN(claims.platform, ReadPlatform(json));
  LOCKET_TRY(ReadBool(json, "debug", &claims.debug));
  LOCKET_TRY(ReadBool(json, "migratable", &claims.migratable));
  LOCKET_TRY_ASSIGN(const auto level, Member(json, "privilege_level"));
  LOCKET_TRY_ASSIGN(claims.privilege_level, Unsigned<uint32_t>(level, "privilege_level"));
  return claims;
}

}  // namespace locket::attest
