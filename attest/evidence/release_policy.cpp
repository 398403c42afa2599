#include "attest/evidence/release_policy.h"

#include <algorithm>
#include <array>
#include <set>

#include "attest/common/json.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr size_t kMaxListed = 256;

Result<nlohmann::json> ShortList(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array() || found->empty() || found->size() > kMaxListed) {
    return Error(ErrorCode::kInvalidArgument, std::string("'") + name +
                                                  "' must list 1 to 256 values; a policy that "
                                                  "allows no one is made by deleting it");
  }
  return *found;
}

template <size_t N>
Result<std::vector<std::array<std::byte, N>>> HexList(const nlohmann::json& object,
                                                      const char* name) {
  LOCKET_TRY_ASSIGN(const auto list, ShortList(object, name));
  std::vector<std::array<std::byte, N>> out;
  for (const auto& item : list) {
    const auto bytes = HexDecode(item.is_string() ? item.get<std::string>() : "not text");
    if (!bytes.ok() || bytes->size() != N) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("'") + name + "': " + Shortened(DumpJson(item)) + " is not " +
                       std::to_string(2 * N) + " lower-case hex digits");
    }
    std::copy(bytes->begin(), bytes->end(), out.emplace_back().begin());
  }
  return out;
}

template <size_t N>
nlohmann::json HexArray(const std::vector<std::array<std::byte, N>>& values) {
  auto out = nlohmann::json::array();
  for (const auto& value : values) out.push_back(HexEncode(value));
  return out;
}

bool StatesAny(const TcbLevels& levels) {
  return std::ranges::any_of(levels, [](const auto& level) { return level.second > 0; });
}

Status CheckKeys(const nlohmann::json& object, const std::set<std::string>& known) {
  for (const auto& item : object.items()) {
    if (!known.contains(item.key())) {
      return Error(ErrorCode::kInvalidArgument, "unknown key '" + Shortened(item.key()) + "'");
    }
  }
  return Ok();
}

// Of the TEEs in `kinds`, all parts: one that is left out would silently be zero.
Result<TcbLevels> DecodeTcb(const nlohmann::json& object, std::span<const TeeKind> kinds) {
  if (!object.is_object()) {
    return Error(ErrorCode::kInvalidArgument, "'min_tcb' is neither an object nor \"any\"");
  }
  const auto names = TcbPartNames(kinds);
  LOCKET_TRY(CheckKeys(object, {names.begin(), names.end()}).While("'min_tcb'"));
  TcbLevels tcb;
  for (const auto part : names) {
    const std::string name(part);
    const auto found = object.find(name);
    if (found == object.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   "'min_tcb' states no '" + name + "': say 0 where any will do");
    }
    if (!found->is_number_unsigned() || found->get<uint64_t>() > 255) {
      return Error(ErrorCode::kInvalidArgument, "'min_tcb': '" + name + "' is not 0 to 255");
    }
    tcb[name] = found->get<uint8_t>();
  }
  return StatesAny(tcb) ? tcb : TcbLevels();
}

Result<std::set<std::string>> DecodeSettings(const nlohmann::json& object, const char* key) {
  std::set<std::string> names;
  const auto found = object.find(key);
  if (found == object.end()) return names;
  if (!found->is_array()) {
    return Error(ErrorCode::kInvalidArgument, std::string("'") + key + "' is not a list");
  }
  for (const auto& item : *found) {
    const std::string name = item.is_string() ? item.get<std::string>() : "not text";
    LOCKET_TRY(CheckPlatformName(name));
    names.insert(name);
  }
  return names;
}

Status DecodePlatform(const nlohmann::json& object, ReleasePolicy& policy) {
  if (!object.is_object()) return Error(ErrorCode::kInvalidArgument, "it is not an object");
  LOCKET_TRY(CheckKeys(object, {"required", "refused"}));
  LOCKET_TRY_ASSIGN(policy.platform_required, DecodeSettings(object, "required"));
  LOCKET_TRY_ASSIGN(policy.platform_refused, DecodeSettings(object, "refused"));
  for (const auto& name : policy.platform_required) {
    if (policy.platform_refused.contains(name)) {
      return Error(ErrorCode::kInvalidArgument, "one name is both required and refused");
    }
  }
  return Ok();
}

// In the order of PlatformNames(), in which policies have always been written.
nlohmann::json SettingsArray(const std::set<std::string>& settings) {
  auto out = nlohmann::json::array();
  for (const auto name : PlatformNames()) {
    if (settings.contains(std::string(name))) out.push_back(name);
  }
  return out;
}

bool Names(const ReleasePolicy& policy, TeeKind kind) {
  return std::ranges::find(policy.tee, kind) != policy.tee.end();
}

Error Denied(std::string message) { return {ErrorCode::kPermissionDenied, std::move(message)}; }

template <size_t N>
Status CheckListed(const char* field, const std::array<std::byte, N>& value,
                   const std::vector<std::array<std::byte, N>>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return Ok();
  return Denied(std::string(field) + " " + HexEncode(value) + " is not among the " +
                std::to_string(allowed.size()) + " allowed");
}

}  // namespace

Result<ReleasePolicy> DecodeReleasePolicy(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY(CheckKeys(object, {"resource", "tee", "measurements", "host_data", "min_tcb",
                                "platform_info", "allow_debug"}));
  LOCKET_TRY_ASSIGN(const auto resource_text, JsonText(object, "resource"));
  LOCKET_TRY_ASSIGN(auto resource, ResourceName::FromPath(resource_text));
  LOCKET_TRY_ASSIGN(const auto tee_list, ShortList(object, "tee"));
  std::vector<TeeKind> tee;
  for (const auto& item : tee_list) {
    LOCKET_TRY_ASSIGN(const auto kind,
                      ParseTeeKind(item.is_string() ? item.get<std::string>() : DumpJson(item)));
    tee.push_back(kind);
  }
  LOCKET_TRY_ASSIGN(auto measurements, HexList<48>(object, "measurements"));
  LOCKET_TRY_ASSIGN(auto host_data, HexList<32>(object, "host_data"));
  ReleasePolicy policy{.resource = std::move(resource),
                       .tee = std::move(tee),
                       .measurements = std::move(measurements),
                       .host_data = std::move(host_data)};
  const auto min_tcb = object.find("min_tcb");
  if (min_tcb != object.end()) {
    policy.any_tcb = *min_tcb == "any";
    if (!policy.any_tcb) {
      LOCKET_TRY_ASSIGN(policy.min_tcb, DecodeTcb(*min_tcb, policy.tee));
    }
  }
  if (object.contains("platform_info")) {
    LOCKET_TRY(DecodePlatform(object["platform_info"], policy).While("'platform_info'"));
  }
  if (object.contains("allow_debug")) {
    if (!object["allow_debug"].is_boolean()) {
      return Error(ErrorCode::kInvalidArgument, "'allow_debug' is neither true nor false");
    }
    policy.allow_debug = object["allow_debug"].get<bool>();
  }
  return policy;
}

std::string EncodeReleasePolicy(const ReleasePolicy& policy) {
  auto tee = nlohmann::json::array();
  for (const auto kind : policy.tee) tee.push_back(TeeKindName(kind));
  nlohmann::json out{{"resource", policy.resource.ToPath()},
                     {"tee", tee},
                     {"measurements", HexArray(policy.measurements)},
                     {"host_data", HexArray(policy.host_data)},
                     {"allow_debug", policy.allow_debug}};
  if (policy.any_tcb) {
    out["min_tcb"] = "any";
  } else if (StatesAny(policy.min_tcb)) {
    out["min_tcb"] = policy.min_tcb;
  }
  if (!policy.platform_required.empty() || !policy.platform_refused.empty()) {
    out["platform_info"] = {{"required", SettingsArray(policy.platform_required)},
                            {"refused", SettingsArray(policy.platform_refused)}};
  }
  return DumpJson(out);
}

bool StatesMinimumTcb(const ReleasePolicy& policy, TeeKind kind) {
  return std::ranges::any_of(TcbPartNames(std::span(&kind, 1)), [&](std::string_view part) {
    const auto found = policy.min_tcb.find(part);
    return found != policy.min_tcb.end() && found->second > 0;
  });
}

Status CheckReleasePolicy(const ReleasePolicy& policy) {
  const bool stated = std::ranges::all_of(policy.tee, [&](TeeKind kind) {
    return policy.any_tcb || !IsGenuine(kind) || StatesMinimumTcb(policy, kind);
  });
  if (stated) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "it states no minimum TCB, so firmware with known holes would do: give all of "
               "--min-tcb-boot-loader, -tee, -snp, -microcode and -fmc, or --min-tcb-any");
}

namespace {

// One Tcb of the guest's. A part that its claims leave out counts as zero.
Status CheckTcb(const ReleasePolicy& policy, TeeKind kind, const Tcb& tcb) {
  for (const auto part : TcbPartNames(std::span(&kind, 1))) {
    const auto least = policy.min_tcb.find(part);
    if (least == policy.min_tcb.end()) continue;
    const auto found = tcb.levels.find(part);
    const uint8_t level = found == tcb.levels.end() ? uint8_t{0} : found->second;
    if (level >= least->second) continue;
    return Denied(tcb.which + " TCB part " + std::string(part) + " is " + std::to_string(level) +
                  ", at least " + std::to_string(least->second) + " is asked for");
  }
  return Ok();
}

Status CheckTcbs(const ReleasePolicy& policy, const Claims& guest) {
  if (IsGenuine(guest.tee) && !policy.any_tcb && !StatesMinimumTcb(policy, guest.tee)) {
    return Denied(
        "the release policy states no minimum TCB: set it again with `locket broker allow` and "
        "the --min-tcb options");
  }
  if (guest.tcbs.empty() && StatesMinimumTcb(policy, guest.tee)) {
    return Denied("the guest's TEE states no TCB, and the release policy asks for a minimum");
  }
  for (const auto& tcb : guest.tcbs) LOCKET_TRY(CheckTcb(policy, guest.tee, tcb));
  return Ok();
}

Status CheckPlatform(const ReleasePolicy& policy, const std::set<std::string>& settings) {
  for (const auto& name : policy.platform_required) {
    if (settings.contains(name)) continue;
    return Denied("platform_info lacks " + name + ", which is required");
  }
  for (const auto& name : policy.platform_refused) {
    if (!settings.contains(name)) continue;
    return Denied("platform_info has " + name + ", which is refused");
  }
  return Ok();
}

}  // namespace

Status Evaluate(const ReleasePolicy& policy, const Claims& guest) {
  if (!Names(policy, guest.tee)) {
    return Denied("TEE '" + std::string(TeeKindName(guest.tee)) + "' is not among the " +
                  std::to_string(policy.tee.size()) + " allowed");
  }
  LOCKET_TRY(CheckListed("measurement", guest.measurement, policy.measurements));
  LOCKET_TRY(CheckListed("host_data", guest.host_data, policy.host_data));
  LOCKET_TRY(CheckTcbs(policy, guest));
  LOCKET_TRY(CheckPlatform(policy, guest.platform));
  if (guest.debug && !policy.allow_debug) {
    return Denied("the guest's policy lets the host debug it");
  }
  // Whoever launches picks the agent, and the agent can bring the guest's memory elsewhere; the
  // measurement covers neither.
  if (guest.migratable) {
    return Denied("the guest's policy lets a migration agent export it; launch it without");
  }
  // A report from a less privileged level is made by software the measurement does not cover.
  if (guest.privilege_level != 0) {
    return Denied("the report comes from VMPL " + std::to_string(guest.privilege_level) +
                  ", not 0");
  }
  return Ok();
}

}  // namespace locket::attest
