#include "attest/kbs/kbs_messages.h"

#include <algorithm>

#include "attest/common/json.h"
#include "attest/jose/canonical_json.h"
#include "attest/jose/jwt.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

constexpr std::string_view kErrorTypePrefix =
    "https://github.com/confidential-containers/kbs/errors/";
constexpr size_t kMaxHashNames = 16;
constexpr size_t kMaxNonceBytes = 512;
// A P-256 key as JWK has some 200. A broker keeps it, in the token, for each session.
constexpr size_t kMaxKeyBytes = 2048;

Result<nlohmann::json> Member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_object()) {
    return Error(ErrorCode::kInvalidArgument, std::string("'") + name + "' is no JSON object");
  }
  return *found;
}

// A text that is not JSON becomes null, which the broker refuses by name.
nlohmann::json JsonOrNull(std::string_view text) {
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? nlohmann::json() : json;
}

}  // namespace

std::string EncodeAuthRequest(const AuthRequest& request) {
  nlohmann::json names = nlohmann::json::array();
  for (const auto hash : request.hashes) names.push_back(HashName(hash));
  auto extra = nlohmann::json::object();
  if (!names.empty()) extra["supported-hash-algorithms"] = std::move(names);
  return DumpJson({{"version", kKbsVersion}, {"tee", request.tee}, {"extra-params", extra}});
}

Result<AuthRequest> DecodeAuthRequest(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY_ASSIGN(const auto version, JsonText(object, "version"));
  if (version != kKbsVersion) {
    return Error(ErrorCode::kInvalidArgument,
                 "protocol version '" + Shortened(version) + "' is not 0.4.0, the one spoken here");
  }
  AuthRequest request{.tee = {}};
  LOCKET_TRY_ASSIGN(request.tee, JsonText(object, "tee"));
  const auto extra = object.find("extra-params");
  if (extra == object.end() || !extra->is_object()) return request;
  const auto names = extra->find("supported-hash-algorithms");
  if (names == extra->end()) return request;
  if (!names->is_array() || names->size() > kMaxHashNames) {
    return Error(ErrorCode::kInvalidArgument, "'supported-hash-algorithms' is no short list");
  }
  for (const auto& name : *names) {
    if (!name.is_string()) continue;
    const auto hash = ParseHashName(name.get<std::string>());
    if (hash.ok()) request.hashes.push_back(hash.value());
  }
  if (request.hashes.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "none of the supported hash algorithms is sha256, sha384 or sha512");
  }
  return request;
}

std::string EncodeChallenge(const Challenge& challenge) {
  return DumpJson({{"nonce", challenge.nonce},
                   {"extra-params", {{"selected-hash-algorithm", HashName(challenge.hash)}}}});
}

Result<Challenge> DecodeChallenge(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  Challenge challenge{.nonce = {}};
  LOCKET_TRY_ASSIGN(challenge.nonce, JsonText(object, "nonce"));
  const auto extra = object.find("extra-params");
  if (extra != object.end() && extra->is_object() && extra->contains("selected-hash-algorithm")) {
    LOCKET_TRY_ASSIGN(const auto name, JsonText(*extra, "selected-hash-algorithm"));
    LOCKET_TRY_ASSIGN(challenge.hash, ParseHashName(name));
  }
  return challenge;
}

std::string EncodeAttestRequest(const AttestRequest& request) {
  nlohmann::json out{
      {"runtime-data", {{"nonce", request.nonce}, {"tee-pubkey", JsonOrNull(request.tee_pubkey)}}},
      {"tee-evidence",
       {{"primary_evidence", JsonOrNull(request.evidence.primary)},
        {"additional_evidence", request.additional_evidence}}}};
  if (request.initdata) out["init-data"] = {{"format", "toml"}, {"body", *request.initdata}};
  return DumpJson(out);
}

Result<AttestRequest> DecodeAttestRequest(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY_ASSIGN(const auto runtime, Member(object, "runtime-data"));
  LOCKET_TRY_ASSIGN(const auto key, Member(runtime, "tee-pubkey"));
  LOCKET_TRY_ASSIGN(const auto evidence, Member(object, "tee-evidence"));
  LOCKET_TRY_ASSIGN(const auto primary, Member(evidence, "primary_evidence"));
  LOCKET_TRY_ASSIGN(auto nonce, JsonText(runtime, "nonce"));
  if (nonce.size() > kMaxNonceBytes) {
    return Error(ErrorCode::kInvalidArgument, "'nonce' is too long");
  }
  std::string key_text = DumpJson(key);
  if (key_text.size() > kMaxKeyBytes) {
    return Error(ErrorCode::kInvalidArgument, "'tee-pubkey' is too long");
  }
  AttestRequest request{.nonce = std::move(nonce),
                        .tee_pubkey = std::move(key_text),
                        .additional_evidence = {},
                        .evidence = {.primary = DumpJson(primary)}};
  const auto additional = evidence.find("additional_evidence");
  if (additional != evidence.end() && !additional->is_null()) {
    LOCKET_TRY_ASSIGN(request.additional_evidence, JsonText(evidence, "additional_evidence"));
  }
  const auto initdata = object.find("init-data");
  if (initdata == object.end() || initdata->is_null()) return request;
  if (!initdata->is_object()) return Error(ErrorCode::kInvalidArgument, "'init-data' is no object");
  LOCKET_TRY_ASSIGN(const auto format, JsonText(*initdata, "format").While("'init-data'"));
  if (format != "toml") {
    return Error(ErrorCode::kInvalidArgument,
                 "'init-data': format '" + Shortened(format) + "' is not 'toml'");
  }
  LOCKET_TRY_ASSIGN(request.initdata, JsonText(*initdata, "body").While("'init-data'"));
  return request;
}

Result<ReportData> ReportDataFor(HashAlgorithm hash, std::string_view nonce,
                                 std::string_view tee_pubkey,
                                 std::string_view additional_evidence) {
  LOCKET_TRY_ASSIGN(const auto key, ParseJsonObject(tee_pubkey).While("'tee-pubkey'"));
  LOCKET_TRY_ASSIGN(
      const auto canonical,
      CanonicalJson(DumpJson(
          {{"nonce", nonce}, {"tee-pubkey", key}, {"additional-evidence", additional_evidence}})));
  const auto digest = Hash(hash, AsBytes(canonical));
  ReportData out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

std::string EncodeAttestAnswer(std::string_view token) { return DumpJson({{"token", token}}); }

Result<std::string> DecodeAttestAnswer(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY_ASSIGN(auto token, JsonText(object, "token"));
  // It goes into a header line of ours.
  const bool plain =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (token.empty() || !plain || token.size() > kMaxTokenBytes) {
    return Error(ErrorCode::kInvalidArgument, "'token' holds what no header may, or too much");
  }
  return token;
}

std::string EncodeProblem(const Problem& problem) {
  return DumpJson(
      {{"type", std::string(kErrorTypePrefix) + problem.name}, {"detail", problem.detail}});
}

Result<Problem> DecodeProblem(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto object, ParseJsonObject(json));
  LOCKET_TRY_ASSIGN(const auto type, JsonText(object, "type"));
  Problem problem;
  problem.name = type.substr(type.rfind('/') + 1);
  const auto detail = JsonText(object, "detail");
  if (detail.ok()) problem.detail = detail.value();
  return problem;
}

bool MeansSessionEnded(std::string_view name) {
  return name == kInvalidCookie || name == kTokenVerifierError || name == "MissingCookie" ||
         name == "TokenNotFound" || name == "SessionExpired" || name == "ExpiredCookie";
}

}  // namespace locket::attest
