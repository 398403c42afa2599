#include "registry/challenge.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace locket::registry {
namespace {

constexpr size_t kMaxChallenges = 8;
constexpr size_t kMaxValues = 16;
constexpr size_t kMaxHeaderBytes = 8192;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  void Skip(std::string_view these) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(these), rest_.size()));
  }
  std::string_view Token() { return Until(" \t,=\""); }
  std::string_view Until(std::string_view these) {
    const auto token = rest_.substr(0, rest_.find_first_of(these));
    rest_.remove_prefix(token.size());
    return token;
  }
  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A token or a quoted string; nothing if the quote never ends.
  std::optional<std::string> Value() {
    if (!Take('"')) return std::string(Until(" \t,"));  // URLs have '=', unquoted as well
    std::string value;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return value;
      if (c == '\\' && !rest_.empty()) {
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      value += c;
    }
    return {};
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> ParseChallenges(std::string_view header) {
  std::vector<Challenge> challenges;
  Scanner scanner(header.substr(0, kMaxHeaderBytes));
  while (true) {
    scanner.Skip(" \t,");
    const auto word = scanner.Token();
    if (word.empty()) return challenges;
    scanner.Skip(" \t");
    if (!scanner.Take('=')) {  // a word without '=' opens the next challenge
      if (challenges.size() == kMaxChallenges) return challenges;
      challenges.push_back({.scheme = Lower(word), .values = {}});
      continue;
    }
    scanner.Skip(" \t");
    auto value = scanner.Value();
    if (!value || challenges.empty()) return challenges;
    auto& values = challenges.back().values;
    if (values.size() < kMaxValues) values.emplace(Lower(word), std::move(*value));
  }
}

}  // namespace locket::registry
