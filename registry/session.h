// The requests of one call to one endpoint, with what they have in common: credentials, redirects
// and retries.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/oci/reference.h"
#include "registry/authorizer.h"
#include "registry/client.h"
#include "registry/http.h"
#include "registry/retrier.h"

namespace locket::registry {

// For one thread. What it is made of outlives it.
class Session {
 public:
  struct Parts {
    HttpClient& http;
    Authorizer& authorizer;
    const RetryPolicy& retry;
    const image::Reference& image;
    const CallOptions& call;
    int max_attempts;  // of each request
  };
  Session(const Parts& parts, AuthScope scope) : parts_(parts), scope_(std::move(scope)) {}

  // Returns "<base>/<repository>/<rest>". For a mirror or proxy it also names the registry whose
  // image is meant ("?ns=").
  Result<Url> UrlFor(const std::string& rest) const;
  // Returns a request for UrlFor(rest) with the members that all requests share.
  Result<HttpRequest> Request(std::string method, const std::string& rest) const;

  // Sends the request once. Follows redirects, without credentials to another origin, and answers a
  // 401 with what the Authorizer has. Returns the last response.
  Result<HttpResponse> SendOnce(const HttpRequest& request);
  // Sends the request as often as the retry policy allows. Returns the outcome of the last attempt.
  Result<HttpResponse> Send(const HttpRequest& request);

  Retrier MakeRetrier() const;
  // Returns the error for a response whose status the caller cannot use (StatusError).
  Error Unexpected(const HttpResponse& response) const;

  const image::Reference& image() const { return parts_.image; }
  const CallOptions& call() const { return parts_.call; }
  const AuthScope& scope() const { return scope_; }

 private:
  void AddOwnHeaders(HttpRequest& request);

  Parts parts_;
  AuthScope scope_;
};

}  // namespace locket::registry
