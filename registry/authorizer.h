// Bearer tokens and Basic credentials (distribution's token authentication).
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "registry/credentials.h"
#include "registry/http.h"

namespace locket::registry {

// What one set of requests is for.
struct AuthScope {
  Endpoint endpoint;
  Url base;                // of the endpoint
  std::string login_host;  // whose credentials count
  std::string repository;
  std::string actions;       // "pull" or "pull,push"
  std::string mount_from{};  // another repository to be read

  std::string Key() const {
    return base.text + " " + repository + " " + actions + " " + mount_from;
  }
};

// The token of a token service's answer. Only text fit for a header. Exposed for fuzzing.
Result<std::string> ParseTokenResponse(std::string_view json);

// Thread-safe. Remembers what worked; an expired token is noticed by the 401 it earns.
class Authorizer {
 public:
  Authorizer(HttpClient& http, CredentialLookup credentials)
      : http_(http), credentials_(std::move(credentials)) {}

  // "Authorization: ..." for these requests, or "".
  std::string HeaderFor(const AuthScope& scope);

  // Answers the challenge of a 401. False: nothing we have would help.
  Result<bool> Answer(const AuthScope& scope, const HttpResponse& response,
                      const std::stop_token& stop);

 private:
  Result<std::string> FetchToken(const AuthScope& scope,
                                 const std::map<std::string, std::string>& challenge,
                                 const std::stop_token& stop);
  void Remember(const AuthScope& scope, std::string header);

  HttpClient& http_;
  const CredentialLookup credentials_;
  Mutex mutex_;
  std::map<std::string, std::string> headers_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::registry
