// What a token has to allow (distribution's token scopes: "repository:team/app:pull,push").
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace locket::registry {

// What a set of requests needs.
struct ScopeNeed {
  std::string repository;
  std::string actions;       // "pull" or "pull,push"
  std::string mount_from{};  // another repository to be read; empty: none
};

// Returns the scopes to ask a token service for: what the registry's challenge names (`challenged`,
// several with spaces between them), made wide enough for `need`. A registry asks for what the one
// request before it needs, so the actions of the repository are added, but a pull is left as the
// registry puts it: it knows under which name the token service knows the repository. `insist`:
// after that did not do, the need is named in its own words, too.
std::vector<std::string> WantedScopes(std::string_view challenged, const ScopeNeed& need,
                                      bool insist);

}  // namespace locket::registry
