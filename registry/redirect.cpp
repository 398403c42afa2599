#include "registry/redirect.h"

#include <string>

namespace locket::registry {

bool IsRedirect(const HttpResponse& response) {
  const long status = response.status;
  return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
         !response.Header("location").empty();
}

Result<Url> RedirectTarget(const HttpRequest& request, const HttpResponse& response) {
  LOCKET_TRY_ASSIGN(Url url,
                    ResolveUrl(request.url, response.Header("location")).While("redirect"));
  const bool keeps_method = response.status == 307 || response.status == 308;
  if (request.method != "GET" && request.method != "HEAD" && !keeps_method) {
    return Error(ErrorCode::kFailedPrecondition,
                 "redirect of " + request.method + " by HTTP " + std::to_string(response.status));
  }
  return StayOnHttps(request.url, std::move(url)).While("redirect");
}

}  // namespace locket::registry
