#include "attest/release_policy.h"

#include <algorithm>
#include <array>
#include <set>

#include "attest/json.h"
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

struct TcbPart {
  const char* name;
  uint8_t SnpTcb::*part;
};
constexpr std::array<TcbPart, 5> kTcbParts{{{"fmc", &SnpTcb::fmc},
                                            {"boot_loader", &SnpTcb::boot_loader},
                                            {"tee", &SnpTcb::tee},
                                            {"snp", &SnpTcb::snp},
                                            {"microcode", &SnpTcb::microcode}}};

Status CheckKeys(const nlohmann::json& object, const std::set<std::string>& known) {
  for (const auto& item : object.items()) {
    if (!known.contains(item.key())) {
      return Error(ErrorCode::kInvalidArgument, "unknown key '" + Shortened(item.key()) + "'");
    }
  }
  return Ok();
}

// All parts: one that is left out would silently be zero.
Result<SnpTcb> DecodeTcb(const nlohmann::json& object) {
  if (!object.is_object()) {
    return Error(ErrorCode::kInvalidArgument, "'min_tcb' is neither an object nor \"any\"");
  }
  LOCKET_TRY(
      CheckKeys(object, {"fmc", "boot_loader", "tee", "snp", "microcode"}).While("'min_tcb'"));
  SnpTcb tcb;
  for (const auto& [name, part] : kTcbParts) {
    const auto found = object.find(name);
    if (found == object.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("'min_tcb' states no '") + name + "': say 0 where any will do");
    }
    if (!found->is_number_unsigned() || found->get<uint64_t>() > 255) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("'min_tcb': '") + name + "' is not 0 to 255");
    }
    tcb.*part = found->get<uint8_t>();
  }
  return tcb;
}

// AMD 56860, PLATFORM_INFO. Bit 6 is reserved.
struct PlatformFlag {
  std::string_view name;
  uint64_t bit;
};
constexpr std::array<PlatformFlag, 7> kPlatformFlags{{{"smt", 1U << 0U},
                                                      {"tsme", 1U << 1U},
                                                      {"ecc", 1U << 2U},
                                                      {"rapl_disabled", 1U << 3U},
                                                      {"ciphertext_hiding", 1U << 4U},
                                                      {"alias_check_complete", 1U << 5U},
                                                      {"tio", 1U << 7U}}};

Result<uint64_t> DecodeFlags(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return uint64_t{0};
  if (!found->is_array()) {
    return Error(ErrorCode::kInvalidArgument, std::string("'") + key + "' is not a list");
  }
  uint64_t bits = 0;
  for (const auto& item : *found) {
    LOCKET_TRY_ASSIGN(const uint64_t bit,
                      PlatformBit(item.is_string() ? item.get<std::string>() : "not text"));
    bits |= bit;
  }
  return bits;
}

Status DecodePlatform(const nlohmann::json& object, ReleasePolicy& policy) {
  if (!object.is_object()) return Error(ErrorCode::kInvalidArgument, "it is not an object");
  LOCKET_TRY(CheckKeys(object, {"required", "refused"}));
  LOCKET_TRY_ASSIGN(policy.platform_required, DecodeFlags(object, "required"));
  LOCKET_TRY_ASSIGN(policy.platform_refused, DecodeFlags(object, "refused"));
  if ((policy.platform_required & policy.platform_refused) == 0) return Ok();
  return Error(ErrorCode::kInvalidArgument, "one name is both required and refused");
}

nlohmann::json FlagNames(uint64_t bits) {
  auto out = nlohmann::json::array();
  for (const auto& [name, bit] : kPlatformFlags) {
    if ((bits & bit) != 0) out.push_back(name);
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
      LOCKET_TRY_ASSIGN(policy.min_tcb, DecodeTcb(*min_tcb));
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
  } else if (policy.min_tcb != SnpTcb{}) {
    for (const auto& [name, part] : kTcbParts) out["min_tcb"][name] = policy.min_tcb.*part;
  }
  if ((policy.platform_required | policy.platform_refused) != 0) {
    out["platform_info"] = {{"required", FlagNames(policy.platform_required)},
                            {"refused", FlagNames(policy.platform_refused)}};
  }
  return DumpJson(out);
}

Result<uint64_t> PlatformBit(std::string_view name) {
  std::string known;
  for (const auto& flag : kPlatformFlags) {
    if (flag.name == name) return flag.bit;
    known += (known.empty() ? "" : ", ") + std::string(flag.name);
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + Shortened(name) + "' is none of platform_info's names: " + known);
}

Status CheckReleasePolicy(const ReleasePolicy& policy) {
  if (policy.any_tcb || policy.min_tcb != SnpTcb{} || !Names(policy, TeeKind::kSnp)) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "it states no minimum TCB, so firmware with known holes would do: give all of "
               "--min-tcb-boot-loader, -tee, -snp, -microcode and -fmc, or --min-tcb-any");
}

namespace {

Status CheckTcb(const ReleasePolicy& policy, const SnpReport& report) {
  const std::pair<const char*, const SnpTcb*> seen[] = {{"reported", &report.reported_tcb},
                                                        {"launch", &report.launch_tcb},
                                                        {"current", &report.current_tcb},
                                                        {"committed", &report.committed_tcb}};
  for (const auto& [which, tcb] : seen) {
    for (const auto& [name, part] : kTcbParts) {
      if (tcb->*part >= policy.min_tcb.*part) continue;
      return Denied(std::string(which) + " TCB part " + name + " is " + std::to_string(tcb->*part) +
                    ", at least " + std::to_string(policy.min_tcb.*part) + " is asked for");
    }
  }
  return Ok();
}

Status CheckPlatform(const ReleasePolicy& policy, uint64_t platform_info) {
  for (const auto& [name, bit] : kPlatformFlags) {
    const bool set = (platform_info & bit) != 0;
    if ((policy.platform_required & bit) != 0 && !set) {
      return Denied("platform_info lacks " + std::string(name) + ", which is required");
    }
    if ((policy.platform_refused & bit) != 0 && set) {
      return Denied("platform_info has " + std::string(name) + ", which is refused");
    }
  }
  return Ok();
}

}  // namespace

Status Evaluate(const ReleasePolicy& policy, const VerifiedSnp& guest) {
  const SnpReport& report = guest.report;
  if (!Names(policy, guest.kind)) {
    return Denied("TEE '" + std::string(TeeKindName(guest.kind)) + "' is not among the " +
                  std::to_string(policy.tee.size()) + " allowed");
  }
  LOCKET_TRY(CheckListed("measurement", report.measurement, policy.measurements));
  LOCKET_TRY(CheckListed("host_data", report.host_data, policy.host_data));
  if (guest.kind == TeeKind::kSnp && !policy.any_tcb && policy.min_tcb == SnpTcb{}) {
    return Denied(
        "the release policy states no minimum TCB: set it again with `locket broker allow` and "
        "the --min-tcb options");
  }
  LOCKET_TRY(CheckTcb(policy, report));
  LOCKET_TRY(CheckPlatform(policy, report.platform_info));
  if ((report.policy & kSnpPolicyDebug) != 0 && !policy.allow_debug) {
    return Denied("the guest's policy lets the host debug it");
  }
  // Whoever launches picks the agent, and the agent can bring the guest's memory elsewhere; the
  // measurement covers neither.
  if ((report.policy & kSnpPolicyMigrate) != 0) {
    return Denied("the guest's policy lets a migration agent export it; launch it without");
  }
  // A report from a less privileged level is made by software the measurement does not cover.
  if (report.vmpl != 0) {
    return Denied("the report comes from VMPL " + std::to_string(report.vmpl) + ", not 0");
  }
  return Ok();
}

}  // namespace locket::attest
