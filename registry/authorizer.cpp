#include "registry/authorizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "registry/challenge.h"
#include "registry/errors.h"
#include "registry/shallow_json.h"

namespace locket::registry {
namespace {

using nlohmann::json;

constexpr size_t kMaxTokenBytes = 256U << 10;
constexpr size_t kMaxRemembered = 256;

std::string BasicHeader(const Credentials& credentials) {
  const std::string pair =
      credentials.username + ":" + std::string(AsText(credentials.password.Reveal()));
  return "Authorization: Basic " + Base64Encode(AsBytes(pair));
}

std::string ValueOf(const std::map<std::string, std::string>& values, const char* name) {
  const auto found = values.find(name);
  return found == values.end() ? std::string() : found->second;
}

// service=..&scope=..[&scope=..], for a query or a form.
std::string TokenQuery(const AuthScope& scope,
                       const std::map<std::string, std::string>& challenge) {
  std::string wanted = ValueOf(challenge, "scope");
  if (wanted.empty()) wanted = "repository:" + scope.repository + ":" + scope.actions;
  std::string query = "scope=" + PercentEncode(wanted);
  if (!scope.mount_from.empty()) {
    query += "&scope=" + PercentEncode("repository:" + scope.mount_from + ":pull");
  }
  const std::string service = ValueOf(challenge, "service");
  if (!service.empty()) query += "&service=" + PercentEncode(service);
  return query;
}

// With an identity token: OAuth2's refresh grant.
HttpRequest RefreshRequest(Url realm, const Credentials& credentials, const std::string& query) {
  auto form = "grant_type=refresh_token&client_id=locket&" + query +
              "&refresh_token=" + PercentEncode(AsText(credentials.password.Reveal()));
  const uint64_t size = form.size();
  return {.method = "POST",
          .url = std::move(realm),
          .headers = {"Content-Type: application/x-www-form-urlencoded"},
          .body =
              [form = std::move(form)](uint64_t offset, std::span<std::byte> out) {
                const auto part = AsBytes(form).subspan(offset, out.size());
                std::ranges::copy(part, out.begin());
                return Ok();
              },
          .body_size = size,
          .max_body_bytes = kMaxTokenBytes};
}

Result<HttpRequest> TokenRequest(Url realm, const std::optional<Credentials>& credentials,
                                 const std::string& query) {
  if (credentials && credentials->is_identity_token()) {
    return RefreshRequest(std::move(realm), *credentials, query);
  }
  const char* joint = realm.text.find('?') == std::string::npos ? "?" : "&";
  LOCKET_TRY_ASSIGN(Url url, ParseUrl(realm.text + joint + query));
  HttpRequest request{.method = "GET", .url = std::move(url), .max_body_bytes = kMaxTokenBytes};
  if (credentials) request.headers.push_back(BasicHeader(*credentials));
  return request;
}

}  // namespace

Result<std::string> ParseTokenResponse(std::string_view text) {
  const json document = ParseShallowObject(text);
  if (!document.is_null()) {
    for (const char* name : {"token", "access_token"}) {
      const auto found = document.find(name);
      if (found == document.end() || !found->is_string()) continue;
      auto token = found->get<std::string>();
      const bool clean = std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; });
      if (!token.empty() && clean) return token;
    }
  }
  return Error(ErrorCode::kDataLoss, "the token service's answer holds no token");
}

std::string Authorizer::HeaderFor(const AuthScope& scope) {
  const MutexLock lock(mutex_);
  const auto found = headers_.find(scope.Key());
  return found == headers_.end() ? std::string() : found->second;
}

void Authorizer::Remember(const AuthScope& scope, std::string header) {
  const MutexLock lock(mutex_);
  if (headers_.size() >= kMaxRemembered) headers_.clear();
  headers_[scope.Key()] = std::move(header);
}

Result<std::string> Authorizer::FetchToken(const AuthScope& scope,
                                           const std::map<std::string, std::string>& challenge,
                                           const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(Url realm, ParseUrl(ValueOf(challenge, "realm")).While("token service"));
  if (scope.base.scheme == "https" && realm.scheme != "https") {
    return Error(ErrorCode::kFailedPrecondition,
                 "token service '" + realm.text + "' is not https; credentials stay here");
  }
  const std::string doing = "token service '" + realm.scheme + "://" + realm.host + "'";
  LOCKET_TRY_ASSIGN(const auto credentials,
                    credentials_(scope.login_host, scope.repository).While(doing));
  LOCKET_TRY_ASSIGN(
      HttpRequest request,
      TokenRequest(std::move(realm), credentials, TokenQuery(scope, challenge)).While(doing));
  request.stop = stop;
  LOCKET_TRY_ASSIGN(const auto response, http_.Send(request, scope.endpoint).While(doing));
  if (response.status != 200) return StatusError(response, scope.login_host).While(doing);
  return ParseTokenResponse(response.body).While(doing);
}

Result<bool> Authorizer::Answer(const AuthScope& scope, const HttpResponse& response,
                                const std::stop_token& stop) {
  std::optional<Challenge> bearer;
  bool basic = false;
  const auto [begin, end] = response.headers.equal_range("www-authenticate");
  for (auto header = begin; header != end; ++header) {
    for (auto& challenge : ParseChallenges(header->second)) {
      basic = basic || challenge.scheme == "basic";
      if (challenge.scheme == "bearer" && !bearer) bearer = std::move(challenge);
    }
  }
  if (bearer) {
    LOCKET_TRY_ASSIGN(const std::string token, FetchToken(scope, bearer->values, stop));
    Remember(scope, "Authorization: Bearer " + token);
    return true;
  }
  if (!basic) return false;
  LOCKET_TRY_ASSIGN(const auto credentials, credentials_(scope.login_host, scope.repository));
  if (!credentials || credentials->is_identity_token()) return false;
  Remember(scope, BasicHeader(*credentials));
  return true;
}

}  // namespace locket::registry
