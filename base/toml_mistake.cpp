#include "base/toml_mistake.h"

#include <algorithm>

namespace locket {
namespace {

constexpr size_t kMaxReasonBytes = 200;

// The number of the last line that the drawing shows, " 3 | a = ": the mistake is where it ends.
std::string_view LastLineNumber(std::string_view drawing) {
  std::string_view last;
  for (size_t bar = drawing.find(" | "); bar != std::string_view::npos;
       bar = drawing.find(" | ", bar + 1)) {
    const size_t line = drawing.rfind('\n', bar);
    std::string_view number = drawing.substr(line + 1, bar - line - 1);
    number.remove_prefix(std::min(number.find_first_not_of(' '), number.size()));
    const bool digits = number.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number.empty() && digits) last = number;
  }
  return last;
}

}  // namespace

std::string TomlMistake(std::string_view what) {
  const size_t first_line = std::min(what.find('\n'), what.size());
  std::string_view reason = what.substr(0, first_line);
  // "[error] toml::parse_array: " is for whoever debugs toml11.
  if (reason.starts_with("[error] toml::")) {
    const size_t function = reason.find(": ");
    if (function != std::string_view::npos) reason.remove_prefix(function + 2);
  }
  const std::string_view number = LastLineNumber(what.substr(first_line));
  const std::string text(reason.substr(0, kMaxReasonBytes));
  return number.empty() ? text : "line " + std::string(number) + ": " + text;
}

}  // namespace locket
