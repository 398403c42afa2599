// Redirects, for requests to registries and to token services alike.
#pragma once

#include "base/result.h"
#include "registry/http.h"
#include "registry/url.h"

namespace locket::registry {

inline constexpr int kMaxRedirects = 5;

bool IsRedirect(const HttpResponse& response);

// Returns where the answer to `request` leads. The caller keeps credentials from another origin.
// kFailedPrecondition: from https to http, or a redirect that would turn the method into GET.
Result<Url> RedirectTarget(const HttpRequest& request, const HttpResponse& response);

}  // namespace locket::registry
