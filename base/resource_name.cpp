#include "base/resource_name.h"

#include <algorithm>

namespace locket {
namespace {

constexpr std::string_view kUriPrefix = "kbs:///";
constexpr size_t kMaxSegmentBytes = 128;
constexpr size_t kMaxQuotedBytes = 512;

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool IsSegment(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSegmentBytes && IsWordCharacter(text.front()) &&
         std::ranges::all_of(text, [](char c) { return c == '.' || IsWordCharacter(c); });
}

// `form` is what was expected in front of the three segments.
Error NotAName(std::string_view text, std::string_view form) {
  return {ErrorCode::kInvalidArgument,
          "'" + std::string(text.substr(0, kMaxQuotedBytes)) + "' is not a resource name, " +
              std::string(form) +
              "REPOSITORY/TYPE/TAG of letters, digits, '-', '_' and, not first, '.'"};
}

Result<ResourceName> Parse(std::string_view text, std::string_view form) {
  if (!text.starts_with(form)) return NotAName(text, form);
  const std::string_view path = text.substr(form.size());
  const size_t first = path.find('/');
  const size_t second = first == std::string_view::npos ? first : path.find('/', first + 1);
  if (second == std::string_view::npos) return NotAName(text, form);
  const auto repository = path.substr(0, first);
  const auto type = path.substr(first + 1, second - first - 1);
  const auto tag = path.substr(second + 1);
  if (!IsSegment(repository) || !IsSegment(type) || !IsSegment(tag)) return NotAName(text, form);
  return ResourceName{
      .repository = std::string(repository), .type = std::string(type), .tag = std::string(tag)};
}

}  // namespace

Result<ResourceName> ResourceName::FromUri(std::string_view uri) { return Parse(uri, kUriPrefix); }

Result<ResourceName> ResourceName::FromPath(std::string_view path) { return Parse(path, ""); }

}  // namespace locket
