#include "attest/release_policy.h"

#include <algorithm>
#include <set>

#include "attest/json.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr size_t kMaxSegmentBytes = 128;
constexpr size_t kMaxListed = 256;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool IsSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegmentBytes && IsNameCharacter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '.' || IsNameCharacter(c); });
}

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
      return Error(ErrorCode::kInvalidArgument, std::string("'") + name + "': " + DumpJson(item) +
                                                    " is not " + std::to_string(2 * N) +
                                                    " lower-case hex digits");
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
      return Error(ErrorCode::kInvalidArgument, "unknown key '" + item.key() + "'");
    }
  }
  return Ok();
}

Result<SnpTcb> DecodeTcb(const nlohmann::json& object) {
  if (!object.is_object()) return Error(ErrorCode::kInvalidArgument, "'min_tcb' is no object");
  LOCKET_TRY(
      CheckKeys(object, {"fmc", "boot_loader", "tee", "snp", "microcode"}).While("'min_tcb'"));
  SnpTcb tcb;
  for (const auto& [name, part] : kTcbParts) {
    const auto found = object.find(name);
    if (found == object.end()) continue;
    if (!found->is_number_unsigned() || found->get<uint64_t>() > 255) {
      return Error(ErrorCode::kInvalidArgument,
                   std::string("'min_tcb': '") + name + "' is not 0 to 255");
    }
    tcb.*part = found->get<uint8_t>();
  }
  return tcb;
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

Result<ResourcePath> ParseResourcePath(std::string_view text) {
  const size_t first = text.find('/');
  const size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second != std::string_view::npos) {
    const auto repository = text.substr(0, first);
    const auto type = text.substr(first + 1, second - first - 1);
    const auto tag = text.substr(second + 1);
    if (IsSegment(repository) && IsSegment(type) && IsSegment(tag)) {
      return ResourcePath{.repository = std::string(repository),
                          .type = std::string(type),
                          .tag = std::string(tag)};
    }
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(text.substr(0, 3 * kMaxSegmentBytes)) +
                   "' is not <repository>/<type>/<tag> of letters, digits, '-', '_' and, not "
                   "first, '.'");
}

Result<ResourcePath> ParseResourceUri(std::string_view uri) {
  constexpr std::string_view kScheme = "kbs://";
  const size_t slash =
      uri.starts_with(kScheme) ? uri.find('/', kScheme.size()) : std::string_view::npos;
  if (slash == std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(uri.substr(0, 512)) +
                                                  "' is not kbs:///<repository>/<type>/<tag>");
  }
  return ParseResourcePath(uri.substr(slash + 1));
}

Result<ReleasePolicy> DecodeReleasePolicy(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY(CheckKeys(object,
                       {"resource", "tee", "measurements", "host_data", "min_tcb", "allow_debug"}));
  LOCKET_TRY_ASSIGN(const auto resource_text, JsonText(object, "resource"));
  LOCKET_TRY_ASSIGN(auto resource, ParseResourcePath(resource_text));
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
  if (object.contains("min_tcb")) {
    LOCKET_TRY_ASSIGN(policy.min_tcb, DecodeTcb(object["min_tcb"]));
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
  nlohmann::json tcb = nlohmann::json::object();
  for (const auto& [name, part] : kTcbParts) tcb[name] = policy.min_tcb.*part;
  return DumpJson({{"resource", policy.resource.ToText()},
                   {"tee", tee},
                   {"measurements", HexArray(policy.measurements)},
                   {"host_data", HexArray(policy.host_data)},
                   {"min_tcb", tcb},
                   {"allow_debug", policy.allow_debug}});
}

Status Evaluate(const ReleasePolicy& policy, const VerifiedSnp& guest) {
  const SnpReport& report = guest.report;
  if (std::find(policy.tee.begin(), policy.tee.end(), guest.kind) == policy.tee.end()) {
    return Denied("TEE '" + std::string(TeeKindName(guest.kind)) + "' is not among the " +
                  std::to_string(policy.tee.size()) + " allowed");
  }
  LOCKET_TRY(CheckListed("measurement", report.measurement, policy.measurements));
  LOCKET_TRY(CheckListed("host_data", report.host_data, policy.host_data));
  for (const auto& [name, part] : kTcbParts) {
    if (report.reported_tcb.*part < policy.min_tcb.*part) {
      return Denied("TCB part " + std::string(name) + " is " +
                    std::to_string(report.reported_tcb.*part) + ", at least " +
                    std::to_string(policy.min_tcb.*part) + " is asked for");
    }
  }
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
