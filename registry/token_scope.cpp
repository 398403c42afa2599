#include "registry/token_scope.h"

#include <algorithm>

namespace locket::registry {
namespace {

constexpr size_t kMaxScopes = 16;
constexpr std::string_view kRepository = "repository:";

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(separator));
    if (!part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(part.size() + 1, text.size()));
  }
  return parts;
}

// True for "repository:NAME:ACTIONS" where NAME is the repository's, maybe below a prefix under
// which a proxy keeps it.
bool IsFor(std::string_view scope, std::string_view repository) {
  if (!scope.starts_with(kRepository)) return false;
  const size_t colon = scope.rfind(':');
  if (colon < kRepository.size()) return false;
  const auto name = scope.substr(kRepository.size(), colon - kRepository.size());
  return name == repository ||
         (name.ends_with(repository) && name[name.size() - repository.size() - 1] == '/');
}

// `scope` with those of `actions` that it lacks.
std::string Widened(std::string_view scope, std::string_view actions) {
  std::string wide(scope);
  const auto has = Split(scope.substr(scope.rfind(':') + 1), ',');
  if (std::ranges::count(has, "*") != 0) return wide;
  for (const auto action : Split(actions, ',')) {
    if (std::ranges::count(has, action) != 0) continue;
    if (!wide.ends_with(':')) wide += ',';
    wide += action;
  }
  return wide;
}

}  // namespace

std::vector<std::string> WantedScopes(std::string_view challenged, const ScopeNeed& need,
                                      bool insist) {
  std::vector<std::string> scopes;
  bool covered = false;
  for (const auto scope : Split(challenged, ' ')) {
    if (scopes.size() == kMaxScopes) break;
    const bool ours = IsFor(scope, need.repository);
    covered = covered || ours;
    scopes.push_back(ours ? Widened(scope, need.actions) : std::string(scope));
  }
  const auto add = [&](const std::string& scope) {
    if (std::ranges::count(scopes, scope) == 0) scopes.push_back(scope);
  };
  const bool is_pull = need.actions == "pull";
  if (scopes.empty() || insist || (!covered && !is_pull)) {
    const std::string own = std::string(kRepository) + need.repository + ":" + need.actions;
    const bool named = std::ranges::any_of(scopes, [&](const std::string& scope) {
      return scope.starts_with(std::string(kRepository) + need.repository + ":");
    });
    if (!named) add(own);
  }
  if (!need.mount_from.empty()) add(std::string(kRepository) + need.mount_from + ":pull");
  return scopes;
}

}  // namespace locket::registry
