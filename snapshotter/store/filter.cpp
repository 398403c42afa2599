#include "snapshotter/store/filter.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>

#include "base/encoding.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxFilterBytes = 64U << 10;

enum class Op { kPresent, kEqual, kNotEqual, kMatches };

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsFieldChar(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
bool IsOpChar(char c) { return c == '=' || c == '!' || c == '~'; }
bool IsValueChar(char c) { return c != ',' && !IsSpace(c) && static_cast<unsigned char>(c) > ' '; }

void AppendUtf8(std::string& out, uint32_t point) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xe0 | point >> 12);
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
    }
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

// Walks the text once. Every method skips white space first.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool AtEnd() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    return at_ == text_.size();
  }
  char Peek() { return AtEnd() ? '\0' : text_[at_]; }
  bool TakeIf(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  template <typename Predicate>
  std::string_view TakeWhile(Predicate predicate) {
    AtEnd();
    const size_t start = at_;
    while (at_ < text_.size() && predicate(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  // The next character is the opening quote.
  Result<std::string> TakeQuoted();

  Error Wrong(std::string_view why) const {
    return {ErrorCode::kInvalidArgument, "filter '" + std::string(text_) + "': at byte " +
                                             std::to_string(at_) + ": " + std::string(why)};
  }

 private:
  Status TakeEscape(char quote, std::string& out);
  Result<uint32_t> TakeDigits(int base, int count);

  std::string_view text_;
  size_t at_ = 0;
};

Result<uint32_t> Scanner::TakeDigits(int base, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 16;
    if (digit >= base) return Wrong("illegal numeric escape sequence");
    value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
  }
  return value;
}

// Go's escapes; the backslash has been taken.
Status Scanner::TakeEscape(char quote, std::string& out) {
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  constexpr std::string_view kNames = "abfnrtv";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v";
  if (const size_t known = kNames.find(c); known != std::string_view::npos) {
    out.push_back(kMeanings[known]);
  } else if (c == '\\' || (c != '\0' && c == quote)) {
    out.push_back(c);
  } else if (c == 'x') {
    LOCKET_TRY_ASSIGN(const uint32_t byte, TakeDigits(16, 2));
    out.push_back(static_cast<char>(byte));
  } else if (c == 'u' || c == 'U') {
    LOCKET_TRY_ASSIGN(const uint32_t point, TakeDigits(16, c == 'u' ? 4 : 8));
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return Wrong("no such character");
    AppendUtf8(out, point);
  } else if (c >= '0' && c <= '7') {
    --at_;
    LOCKET_TRY_ASSIGN(const uint32_t byte, TakeDigits(8, 3));
    if (byte > 255) return Wrong("octal escape over 255");
    out.push_back(static_cast<char>(byte));
  } else {
    return Wrong("illegal escape sequence");
  }
  return Ok();
}

Result<std::string> Scanner::TakeQuoted() {
  const char quote = text_[at_++];
  std::string out;
  while (at_ < text_.size() && text_[at_] != '\n') {
    const char c = text_[at_++];
    if (c == quote) return out;
    if (c == '\\') {
      LOCKET_TRY(TakeEscape(quote, out));
    } else {
      out.push_back(c);
    }
  }
  return Wrong("quoted literal not terminated");
}

Result<std::string> TakeFieldPath(Scanner& in, std::string& key) {
  std::string field;
  for (bool first = true;; first = false) {
    std::string part;
    if (in.Peek() == '"') {
      LOCKET_TRY_ASSIGN(part, in.TakeQuoted());
    } else {
      part = in.TakeWhile(IsFieldChar);
      if (part.empty()) return in.Wrong("expected a field or a quoted string");
    }
    if (first) {
      field = std::move(part);
    } else {
      if (!key.empty()) key += '.';
      key += part;
    }
    if (!in.TakeIf('.')) return field;
  }
}

Result<Op> TakeOp(Scanner& in) {
  const std::string_view text = in.TakeWhile(IsOpChar);
  if (text == "==") return Op::kEqual;
  if (text == "!=") return Op::kNotEqual;
  if (text == "~=") return Op::kMatches;
  return in.Wrong("expected an operator (==, != or ~=)");
}

Result<std::string> TakeValue(Scanner& in, Op op) {
  const char next = in.Peek();
  if (next == '"') return in.TakeQuoted();
  if (next == '/' || next == '|') {
    if (op != Op::kMatches) return in.Wrong("only a regular expression may be quoted like this");
    return in.TakeQuoted();
  }
  if (next == '.' || IsOpChar(next)) return in.Wrong("expected a value or a quoted string");
  std::string value(in.TakeWhile(IsValueChar));
  if (value.empty()) return in.Wrong("expected a value or a quoted string");
  return value;
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kView:
      return "view";
    case Kind::kActive:
      return "active";
    case Kind::kCommitted:
      return "committed";
  }
  return "";
}

std::optional<std::string_view> Field(const Snapshot& snapshot, std::string_view field,
                                      const std::string& key) {
  if (field == "name") return snapshot.name;
  if (field == "parent") return snapshot.parent;
  if (field == "kind") return KindName(snapshot.kind);
  if (field != "labels") return std::nullopt;
  const auto found = snapshot.labels.find(key);
  if (found == snapshot.labels.end()) return std::nullopt;
  return found->second;
}

}  // namespace

struct Filter::Selector {
  std::string field;
  std::string key;  // the rest of the path
  Op op = Op::kPresent;
  std::string value{};
  std::unique_ptr<RE2> expression{};  // RE2 does not move

  bool Matches(const Snapshot& snapshot) const {
    const auto found = Field(snapshot, field, key);
    switch (op) {
      case Op::kPresent:
        return found.has_value();
      case Op::kEqual:
        return found && *found == value;
      case Op::kNotEqual:
        return found.value_or("") != value;
      case Op::kMatches:
        return RE2::PartialMatch(
            re2::StringPiece(found.value_or("").data(), found.value_or("").size()), *expression);
    }
    return false;
  }
};

Filter::Filter(std::vector<Selector> selectors) : selectors_(std::move(selectors)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::Parse(std::string_view text) {
  if (text.size() > kMaxFilterBytes) {
    return Error(ErrorCode::kInvalidArgument, "filter longer than 64 KiB");
  }
  std::vector<Selector> selectors;
  Scanner in(text);
  if (text.empty()) return Filter(std::move(selectors));
  do {
    Selector selector;
    LOCKET_TRY_ASSIGN(selector.field, TakeFieldPath(in, selector.key));
    if (!in.AtEnd() && in.Peek() != ',') {
      LOCKET_TRY_ASSIGN(selector.op, TakeOp(in));
      LOCKET_TRY_ASSIGN(selector.value, TakeValue(in, selector.op));
    }
    if (selector.op == Op::kMatches) {
      RE2::Options options(RE2::Quiet);
      options.set_max_mem(1 << 20);
      selector.expression = std::make_unique<RE2>(selector.value, options);
      if (!selector.expression->ok()) return in.Wrong(selector.expression->error());
    }
    selectors.push_back(std::move(selector));
  } while (in.TakeIf(','));
  if (!in.AtEnd()) return in.Wrong("expected a comma or the end");
  return Filter(std::move(selectors));
}

bool Filter::Matches(const Snapshot& snapshot) const {
  return std::ranges::all_of(selectors_, [&](const auto& s) { return s.Matches(snapshot); });
}

bool MatchesAny(std::span<const Filter> filters, const Snapshot& snapshot) {
  return filters.empty() ||
         std::ranges::any_of(filters, [&](const auto& f) { return f.Matches(snapshot); });
}

}  // namespace locket::snapshotter
