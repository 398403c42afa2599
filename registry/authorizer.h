// Bearer tokens and Basic credentials (distribution's token authentication).
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "registry/challenge.h"
#include "registry/credentials.h"
#include "registry/http.h"
#include "registry/token_scope.h"

namespace locket::registry {

// What one set of requests is for.
struct AuthScope {
  Endpoint endpoint;
  Url base;                              // of the endpoint
  std::vector<std::string> login_hosts;  // whose credentials count: the first that has some
  ScopeNeed need;

  std::string Key() const {
    return base.text + " " + need.repository + " " + need.actions + " " + need.mount_from;
  }
};

// What was tried already for one request, so that no two servers make us go round in circles.
struct AuthTries {
  int tokens = 0;
  bool basic = false;
  std::vector<std::string> scopes{};  // of the last token
  std::optional<Error> trouble{};     // why we have no credentials, if that is a fault
};

struct AuthAnswer {
  bool again = false;                  // there is a new header: send the request again
  std::optional<HttpResponse> busy{};  // the token service's 429, 408 or 5xx: try later
};

// The token of a token service's answer. Only text fit for a header. Exposed for fuzzing.
Result<std::string> ParseTokenResponse(std::string_view json);

// Thread-safe. Remembers the header that worked last for each scope. It does not look at a token's
// expiry: an expired token leads to a 401, which Answer handles.
class Authorizer {
 public:
  Authorizer(HttpClient& http, CredentialLookup credentials)
      : http_(http), credentials_(std::move(credentials)) {}

  // Returns the header to send with requests of this scope, "Authorization: ...", or "" if none is
  // known yet.
  std::string HeaderFor(const AuthScope& scope);

  // Answers a 401, or a 403, which counts only if it names a scope. Neither `again` nor `busy`:
  // nothing we have would help. Without usable credentials (a helper fails, a broken entry) a token
  // is asked for anonymously; if that does not do, the error says why there were none. A token
  // service's redirects are followed, without credentials to another origin.
  Result<AuthAnswer> Answer(const AuthScope& scope, const HttpResponse& response, AuthTries& tries,
                            const std::stop_token& stop);

 private:
  struct Remembered {
    std::string header{};
    std::optional<Challenge> bearer{};  // the last challenge, for 401s that come without one
    std::optional<Error> trouble{};     // why the token is an anonymous one, if that is a fault
  };

  Result<AuthAnswer> AnswerByToken(const AuthScope& scope, const Challenge& challenge,
                                   AuthTries& tries, const std::stop_token& stop);
  Result<AuthAnswer> AnswerByPassword(const AuthScope& scope, AuthTries& tries);
  Result<HttpResponse> AskTokenService(const AuthScope& scope, const Challenge& challenge,
                                       AuthTries& tries, const std::stop_token& stop);
  // Nothing: none, or none that can be had (then `tries.trouble` says so).
  std::optional<Credentials> Find(const AuthScope& scope, AuthTries& tries) const;
  Remembered Recall(const AuthScope& scope);
  void Remember(const AuthScope& scope, Remembered remembered);

  HttpClient& http_;
  const CredentialLookup credentials_;
  Mutex mutex_;
  std::map<std::string, Remembered> remembered_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::registry
