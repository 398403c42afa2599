// What is common to all requests of one call to one endpoint: credentials, redirects, retries.
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

  // "<base>/<repository>/<rest>"; other servers than the registry's are told whose image is meant.
  Result<Url> UrlFor(const std::string& rest) const;
  // A request with what all of them share.
  Result<HttpRequest> Request(std::string method, const std::string& rest) const;

  // One attempt. Redirects are followed, without credentials to other origins. A 401 is answered
  // with what Authorizer has.
  Result<HttpResponse> SendOnce(const HttpRequest& request);
  // Again and again as RetryPolicy says; the last outcome.
  Result<HttpResponse> Send(const HttpRequest& request);

  Retrier MakeRetrier() const;
  // A status nobody expected.
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
