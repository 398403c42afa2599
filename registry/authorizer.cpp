#include "registry/authorizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "base/json.h"
#include "registry/challenge.h"
#include "registry/errors.h"
#include "registry/redirect.h"
#include "registry/retrier.h"

namespace locket::registry {
namespace {

constexpr size_t kMaxTokenBytes = 256U << 10;
constexpr size_t kMaxRemembered = 256;
// One for the challenge, one in the need's own words, one for a scope that a registry adds.
constexpr int kMaxTokensOfRequest = 3;

std::string BasicHeader(const Credentials& credentials) {
  const std::string pair =
      credentials.username + ":" + std::string(AsText(credentials.password.Reveal()));
  return "Authorization: Basic " + Base64Encode(AsBytes(pair));
}

std::string ValueOf(const Challenge& challenge, const char* name) {
  const auto found = challenge.values.find(name);
  return found == challenge.values.end() ? std::string() : found->second;
}

// scope=..[&scope=..]&service=.., for a query.
std::string TokenQuery(const std::vector<std::string>& scopes, const std::string& service) {
  std::string query;
  for (const auto& scope : scopes) {
    query += (query.empty() ? "scope=" : "&scope=") + PercentEncode(scope);
  }
  if (!service.empty()) query += "&service=" + PercentEncode(service);
  return query;
}

// With an identity token: OAuth2's refresh grant, whose scopes are one field.
HttpRequest RefreshRequest(Url realm, const Credentials& credentials,
                           const std::vector<std::string>& scopes, const std::string& service) {
  std::string all;
  for (const auto& scope : scopes) all += (all.empty() ? "" : " ") + scope;
  auto form = "grant_type=refresh_token&client_id=locket&scope=" + PercentEncode(all) +
              "&service=" + PercentEncode(service) +
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
                                 const std::vector<std::string>& scopes,
                                 const std::string& service) {
  if (credentials && credentials->is_identity_token()) {
    return RefreshRequest(std::move(realm), *credentials, scopes, service);
  }
  const char* joint = realm.text.find('?') == std::string::npos ? "?" : "&";
  LOCKET_TRY_ASSIGN(Url url, ParseUrl(realm.text + joint + TokenQuery(scopes, service)));
  HttpRequest request{.method = "GET", .url = std::move(url), .max_body_bytes = kMaxTokenBytes};
  if (credentials) request.headers.push_back(BasicHeader(*credentials));
  return request;
}

// Follows redirects. What proves who we are is for the realm's origin alone.
Result<HttpResponse> SendToTokenService(HttpClient& http, const Endpoint& endpoint,
                                        HttpRequest request) {
  for (int redirects = 0;;) {
    LOCKET_TRY_ASSIGN(HttpResponse response, http.Send(request, endpoint));
    if (!IsRedirect(response)) return response;
    if (++redirects > kMaxRedirects) {
      return Error(ErrorCode::kFailedPrecondition, "redirected more than 5 times");
    }
    LOCKET_TRY_ASSIGN(Url next, RedirectTarget(request, response));
    const bool elsewhere = !next.SameOrigin(request.url);
    if (elsewhere && request.body) {
      return Error(ErrorCode::kFailedPrecondition,
                   "redirects to '" + next.text + "'; the identity token stays here");
    }
    if (elsewhere) request.headers.clear();
    request.url = std::move(next);
  }
}

struct Offers {
  std::optional<Challenge> bearer{};
  bool basic = false;
};

Offers OffersOf(const HttpResponse& response) {
  Offers offers;
  const auto [begin, end] = response.headers.equal_range("www-authenticate");
  for (auto header = begin; header != end; ++header) {
    for (auto& challenge : ParseChallenges(header->second)) {
      offers.basic = offers.basic || challenge.scheme == "basic";
      const bool usable = challenge.scheme == "bearer" && challenge.values.contains("realm");
      if (usable && !offers.bearer) offers.bearer = std::move(challenge);
    }
  }
  return offers;
}

}  // namespace

Result<std::string> ParseTokenResponse(std::string_view text) {
  const auto document = ParseJsonObject(text, {.max_bytes = kMaxTokenBytes});
  if (document.ok()) {
    for (const char* name : {"token", "access_token"}) {
      const auto found = document->find(name);
      if (found == document->end() || !found->is_string()) continue;
      auto token = found->get<std::string>();
      const bool clean = std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; });
      if (!token.empty() && clean) return token;
    }
  }
  return Error(ErrorCode::kDataLoss, "the token service's answer holds no token");
}

std::string Authorizer::HeaderFor(const AuthScope& scope) { return Recall(scope).header; }

Authorizer::Remembered Authorizer::Recall(const AuthScope& scope) {
  const MutexLock lock(mutex_);
  const auto found = remembered_.find(scope.Key());
  return found == remembered_.end() ? Remembered{} : found->second;
}

void Authorizer::Remember(const AuthScope& scope, Remembered remembered) {
  const MutexLock lock(mutex_);
  if (remembered_.size() >= kMaxRemembered) remembered_.clear();
  remembered_[scope.Key()] = std::move(remembered);
}

std::optional<Credentials> Authorizer::Find(const AuthScope& scope, AuthTries& tries) const {
  for (const auto& host : scope.login_hosts) {
    auto found = credentials_(host, scope.need.repository);
    if (!found.ok()) {
      tries.trouble = std::move(found).error();
      return {};
    }
    if (*found) return std::move(*found);
  }
  return {};
}

Result<HttpResponse> Authorizer::AskTokenService(const AuthScope& scope, const Challenge& challenge,
                                                 AuthTries& tries, const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(Url named,
                    ResolveUrl(scope.base, ValueOf(challenge, "realm")).While("token service"));
  LOCKET_TRY_ASSIGN(Url realm,
                    StayOnHttps(scope.base, std::move(named)).While("token service not asked"));
  const std::string name = "token service '" + Origin(realm) + "'";
  const auto credentials = Find(scope, tries);
  LOCKET_TRY_ASSIGN(HttpRequest request, TokenRequest(std::move(realm), credentials, tries.scopes,
                                                      ValueOf(challenge, "service"))
                                             .While(name));
  request.stop = stop;
  LOCKET_TRY_ASSIGN(HttpResponse response,
                    SendToTokenService(http_, scope.endpoint, std::move(request)).While(name));
  response.answered_by = name;
  return response;
}

Result<AuthAnswer> Authorizer::AnswerByToken(const AuthScope& scope, const Challenge& challenge,
                                             AuthTries& tries, const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(HttpResponse response, AskTokenService(scope, challenge, tries, stop));
  if (IsBusy(response)) return AuthAnswer{.busy = std::move(response)};
  if (!response.IsSuccess()) {
    if (tries.trouble) return *tries.trouble;
    return StatusError(response, scope.login_hosts.front()).While(response.answered_by);
  }
  LOCKET_TRY_ASSIGN(const std::string token,
                    ParseTokenResponse(response.body).While(response.answered_by));
  Remember(
      scope,
      {.header = "Authorization: Bearer " + token, .bearer = challenge, .trouble = tries.trouble});
  return AuthAnswer{.again = true};
}

Result<AuthAnswer> Authorizer::AnswerByPassword(const AuthScope& scope, AuthTries& tries) {
  tries.basic = true;
  const auto credentials = Find(scope, tries);
  if (tries.trouble) return *tries.trouble;
  if (!credentials || credentials->is_identity_token()) return AuthAnswer{};
  Remember(scope, {.header = BasicHeader(*credentials), .bearer = Recall(scope).bearer});
  return AuthAnswer{.again = true};
}

Result<AuthAnswer> Authorizer::Answer(const AuthScope& scope, const HttpResponse& response,
                                      AuthTries& tries, const std::stop_token& stop) {
  Offers offers = OffersOf(response);
  const Remembered before = Recall(scope);
  // Some say no more than 401 once they have seen a token, be it too old or too narrow.
  if (!offers.bearer && response.status == 401) offers.bearer = before.bearer;
  if (!tries.trouble) tries.trouble = before.trouble;
  if (offers.bearer && tries.tokens < kMaxTokensOfRequest) {
    auto wanted =
        WantedScopes(ValueOf(*offers.bearer, "scope"), scope.need, /*insist=*/tries.tokens > 0);
    if (tries.tokens++ == 0 || wanted != tries.scopes) {
      tries.scopes = std::move(wanted);
      auto answer = AnswerByToken(scope, *offers.bearer, tries, stop);
      if (answer.ok() || !offers.basic || tries.basic) return answer;
    }
  }
  if (offers.basic && !tries.basic && response.status == 401) {
    return AnswerByPassword(scope, tries);
  }
  if (tries.trouble) return *tries.trouble;
  return AuthAnswer{};
}

}  // namespace locket::registry
