// Any header gives challenges, scopes and ranges within bounds; any answer gives an error text or a
// token fit for a header; any URL that is understood is understood in the same way again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/authorizer.h"
#include "registry/challenge.h"
#include "registry/errors.h"
#include "registry/range.h"
#include "registry/token_scope.h"
#include "registry/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace locket::registry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (ParseChallenges(text).size() > 8) std::abort();
  const auto token = ParseTokenResponse(text);
  if (token.ok() && token->find_first_of("\r\n ") != std::string::npos) std::abort();
  if (RegistryErrorText(text).size() > 500) std::abort();
  const auto scopes = WantedScopes(text, {.repository = "a/b", .actions = "pull,push"}, false);
  if (scopes.empty() || scopes.size() > 17) std::abort();
  if (const auto received = ParseReceived(text); received && *received == 0) std::abort();
  if (const auto range = ParseContentRange(text); range && !text.starts_with("bytes "))
    std::abort();
  if (const auto url = ParseUrl(text); url.ok() && !ParseUrl(url->text).ok()) std::abort();
  const auto base = ParseUrl("https://r.example:8443/v2/");
  const auto next = ResolveUrl(*base, text);
  if (!next.ok()) return 0;
  const auto stays = StayOnHttps(*base, *next);
  if (stays.ok() && stays->scheme != "https") std::abort();
  return 0;
}
