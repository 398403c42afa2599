#include "initdata/toml_document.h"

#include <algorithm>
#include <cstdio>

#include "base/utf8.h"

namespace locket::initdata {
namespace {

constexpr int kMaxDepth = 32;

// The position after the string that opens at `at`. One that never ends goes to the end of text:
// the parser will say so.
size_t SkipString(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string triple(3, quote);
  const bool multi_line = text.substr(at, 3) == triple;
  for (size_t i = at + (multi_line ? 3 : 1); i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (multi_line && text.substr(i, 3) == triple) {
      i += 3;
      while (i < text.size() && text[i] == quote) ++i;  // """a"""" ends in one quote of content
      return i;
    } else if (!multi_line && (text[i] == quote || text[i] == '\n')) {
      return i + 1;
    }
  }
  return text.size();
}

std::string Escape(std::string_view text, std::string_view keep) {
  std::string escaped;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if ((code >= 0x20 && code != 0x7f) || keep.find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      char sequence[8];
      std::snprintf(sequence, sizeof sequence, "\\u%04X", code);
      escaped += sequence;
    }
  }
  return escaped;
}

}  // namespace

Status CheckTomlBounds(std::string_view text, size_t max_bytes) {
  const auto bad = [](std::string why) {
    return Error(ErrorCode::kInvalidArgument, std::move(why));
  };
  if (text.size() > max_bytes) return bad("larger than " + std::to_string(max_bytes) + " bytes");
  LOCKET_TRY(CheckUtf8(text).While("not TOML"));
  int brackets = 0;
  int dots = 0;  // in a row of keys; numbers and dates add one or two
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = SkipString(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '[' || c == '{') ++brackets;
    if ((c == ']' || c == '}') && brackets > 0) --brackets;
    if (c == '.') ++dots;
    if (c == '=' || c == ',' || c == '\n' || c == ']') dots = 0;
    if (brackets > kMaxDepth || dots > kMaxDepth) return bad("not TOML of ours: nested too deeply");
    ++i;
  }
  return Ok();
}

std::string QuoteToml(std::string_view text) {
  if (text.find('\n') == std::string_view::npos) return QuoteTomlKey(text);
  return "\"\"\"\n" + Escape(text, /*keep=*/"\n\t") + "\"\"\"";
}

std::string QuoteTomlKey(std::string_view key) { return "\"" + Escape(key, /*keep=*/"\t") + "\""; }

}  // namespace locket::initdata
