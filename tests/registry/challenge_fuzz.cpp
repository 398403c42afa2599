// Any header gives challenges within bounds; any answer gives an error text or a token fit for a
// header.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/authorizer.h"
#include "registry/challenge.h"
#include "registry/errors.h"
#include "registry/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (ParseChallenges(text).size() > 8) std::abort();
  const auto token = ParseTokenResponse(text);
  if (token.ok() && token->find_first_of("\r\n ") != std::string::npos) std::abort();
  if (RegistryErrorText(text).size() > 500) std::abort();
  if (const auto url = ParseUrl(text); url.ok() && !ParseUrl(url->text).ok()) std::abort();
  return 0;
}
