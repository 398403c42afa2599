#include "attest/resource_path.h"

#include <algorithm>

namespace locket::attest {
namespace {

constexpr size_t kMaxSegmentBytes = 128;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool IsSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegmentBytes && IsNameCharacter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '.' || IsNameCharacter(c); });
}

}  // namespace

Result<ResourcePath> ParseResourcePath(std::string_view text) {
  const size_t first = text.find('/');
  const size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second != std::string_view::npos) {
    const auto repository = text.substr(0, first);
    const auto type = text.substr(first + 1, second - first - 1);
    const auto tag = text.substr(second + 1);
    if (IsSegment(repository) && IsSegment(type) && IsSegment(tag)) {
      return ResourcePath{.repository = std::string(repository),
                          .type = std::string(type),
                          .tag = std::string(tag)};
    }
  }
  return Error(ErrorCode::kInvalidArgument,
               "'" + std::string(text.substr(0, 3 * kMaxSegmentBytes)) +
                   "' is not <repository>/<type>/<tag> of letters, digits, '-', '_' and, not "
                   "first, '.'");
}

Result<ResourcePath> ParseResourceUri(std::string_view uri) {
  constexpr std::string_view kScheme = "kbs://";
  const size_t slash =
      uri.starts_with(kScheme) ? uri.find('/', kScheme.size()) : std::string_view::npos;
  if (slash == std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(uri.substr(0, 512)) +
                                                  "' is not kbs:///<repository>/<type>/<tag>");
  }
  return ParseResourcePath(uri.substr(slash + 1));
}

}  // namespace locket::attest
