#include "registry/session.h"

#include <strings.h>

#include <utility>

#include "registry/errors.h"
#include "registry/redirect.h"

namespace locket::registry {

Result<Url> Session::UrlFor(const std::string& rest) const {
  std::string url = scope_.endpoint.base_url + "/" + scope_.need.repository + "/" + rest;
  if (IsProxyFor(scope_.base, parts_.image.registry)) {
    url += (url.find('?') == std::string::npos ? "?ns=" : "&ns=") +
           PercentEncode(parts_.image.registry);
  }
  return ParseUrl(url);
}

Result<HttpRequest> Session::Request(std::string method, const std::string& rest) const {
  LOCKET_TRY_ASSIGN(Url url, UrlFor(rest));
  return HttpRequest{.method = std::move(method), .url = std::move(url), .stop = parts_.call.stop};
}

// What is for this endpoint's origin alone.
void Session::AddOwnHeaders(HttpRequest& request) {
  const std::string authorization = parts_.authorizer.HeaderFor(scope_);
  for (const auto& [name, value] : scope_.endpoint.headers) {
    const bool ours = ::strcasecmp(name.c_str(), "authorization") == 0 && !authorization.empty();
    if (!ours) request.headers.push_back(name + ": " + value);
  }
  if (!authorization.empty()) request.headers.push_back(authorization);
}

Result<HttpResponse> Session::SendOnce(const HttpRequest& original) {
  HttpRequest request = original;
  AuthTries tries;
  for (int redirects = 0;;) {
    request.headers = original.headers;
    const bool ours = request.url.SameOrigin(scope_.base);
    if (ours) AddOwnHeaders(request);
    LOCKET_TRY_ASSIGN(HttpResponse response, parts_.http.Send(request, scope_.endpoint));
    if (IsRedirect(response)) {
      if (++redirects > kMaxRedirects) {
        return Error(ErrorCode::kFailedPrecondition, "redirected more than 5 times");
      }
      LOCKET_TRY_ASSIGN(request.url, RedirectTarget(request, response));
      continue;
    }
    if (!ours) response.answered_by = "redirected to '" + Origin(request.url) + "'";
    if (!ours || (response.status != 401 && response.status != 403)) return response;
    LOCKET_TRY_ASSIGN(AuthAnswer answer,
                      parts_.authorizer.Answer(scope_, response, tries, parts_.call.stop));
    if (answer.busy) return std::move(*answer.busy);
    if (!answer.again) return response;
  }
}

Result<HttpResponse> Session::Send(const HttpRequest& request) {
  Retrier retrier = MakeRetrier();
  while (true) {
    auto outcome = SendOnce(request);
    if (!retrier.Again(outcome)) return outcome;
  }
}

Retrier Session::MakeRetrier() const { return {parts_.retry, parts_.call, parts_.max_attempts}; }

Error Session::Unexpected(const HttpResponse& response) const {
  Error error = StatusError(response, scope_.login_hosts.front());
  if (response.answered_by.empty()) return error;
  return std::move(error).While(response.answered_by);
}

}  // namespace locket::registry
