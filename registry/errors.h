// What a registry's refusal says to a person.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/http.h"

namespace locket::registry {

// "MANIFEST_UNKNOWN (manifest unknown)" from a distribution-spec error body; "" if it is none. Only
// printable ASCII, shortened.
std::string RegistryErrorText(std::string_view body);

// A status that is not the expected one, as an Error: code by status, message with status, the
// registry's own words and the way out. `host` is what one would log in to.
Error StatusError(const HttpResponse& response, std::string_view host);

}  // namespace locket::registry
