#include "registry/session.h"

#include <utility>

#include "registry/errors.h"

namespace locket::registry {
namespace {

constexpr int kMaxRedirects = 5;

bool IsRedirect(const HttpResponse& response) {
  const long status = response.status;
  return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
         !response.Header("location").empty();
}

}  // namespace

Result<Url> Session::UrlFor(const std::string& rest) const {
  std::string url = scope_.endpoint.base_url + "/" + scope_.repository + "/" + rest;
  if (scope_.endpoint.is_mirror) {
    url += (url.find('?') == std::string::npos ? "?ns=" : "&ns=") +
           PercentEncode(parts_.image.registry);
  }
  return ParseUrl(url);
}

Result<HttpRequest> Session::Request(std::string method, const std::string& rest) const {
  LOCKET_TRY_ASSIGN(Url url, UrlFor(rest));
  return HttpRequest{.method = std::move(method), .url = std::move(url), .stop = parts_.call.stop};
}

Result<Url> Session::Redirect(const HttpRequest& request, const HttpResponse& response) const {
  LOCKET_TRY_ASSIGN(Url url,
                    ResolveUrl(request.url, response.Header("location")).While("redirect"));
  const bool keeps_method = response.status == 307 || response.status == 308;
  if (request.method != "GET" && request.method != "HEAD" && !keeps_method) {
    return Error(ErrorCode::kFailedPrecondition,
                 "redirect of " + request.method + " by HTTP " + std::to_string(response.status));
  }
  if (request.url.scheme == "https" && url.scheme != "https") {
    return Error(ErrorCode::kFailedPrecondition, "redirect from https to '" + url.text + "'");
  }
  return url;
}

Result<HttpResponse> Session::SendOnce(const HttpRequest& original) {
  HttpRequest request = original;
  bool answered = false;
  for (int redirects = 0;;) {
    request.headers = original.headers;
    const bool ours = request.url.SameOrigin(scope_.base);
    if (ours) {
      for (const auto& [name, value] : scope_.endpoint.headers) {
        request.headers.push_back(name + ": " + value);
      }
      const std::string authorization = parts_.authorizer.HeaderFor(scope_);
      if (!authorization.empty()) request.headers.push_back(authorization);
    }
    LOCKET_TRY_ASSIGN(HttpResponse response, parts_.http.Send(request, scope_.endpoint));
    if (IsRedirect(response)) {
      if (++redirects > kMaxRedirects) {
        return Error(ErrorCode::kFailedPrecondition, "redirected more than 5 times");
      }
      LOCKET_TRY_ASSIGN(request.url, Redirect(request, response));
      continue;
    }
    if (response.status != 401 || !ours || answered) return response;
    LOCKET_TRY_ASSIGN(answered, parts_.authorizer.Answer(scope_, response, parts_.call.stop));
    if (!answered) return response;
  }
}

Result<HttpResponse> Session::Send(const HttpRequest& request) {
  Retrier retrier = MakeRetrier();
  while (true) {
    auto outcome = SendOnce(request);
    if (!retrier.Again(outcome)) return outcome;
  }
}

Retrier Session::MakeRetrier() const {
  // For a mirror the next endpoint is the second attempt.
  return {parts_.retry, parts_.call, scope_.endpoint.is_mirror ? 1 : parts_.retry.max_attempts};
}

Error Session::Unexpected(const HttpResponse& response) const {
  return StatusError(response, scope_.login_host);
}

}  // namespace locket::registry
