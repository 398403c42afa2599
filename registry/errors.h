// What a registry's refusal says to a person.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/http.h"

namespace locket::registry {

// Returns the first error of a distribution-spec error body, such as "MANIFEST_UNKNOWN (manifest
// unknown)", in printable ASCII and shortened. Returns "" for any other body.
std::string RegistryErrorText(std::string_view body);

// Returns the error for a response whose status the caller cannot use. The code follows from the
// status; the message has the status, the registry's own words and what the reader can do. `host`
// is the name under which one would log in.
Error StatusError(const HttpResponse& response, std::string_view host);

}  // namespace locket::registry
