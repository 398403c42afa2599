#include "erofs/pax_records.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace locket::erofs {
namespace {

constexpr std::string_view kSparseOffset = "GNU.sparse.offset";
constexpr std::string_view kSparseBytes = "GNU.sparse.numbytes";
// Values that are used as C strings somewhere; readers would differ in where they end.
constexpr std::array<std::string_view, 4> kTexts = {"path", "linkpath", "uname", "gname"};
constexpr size_t kFractionDigits = 9;
constexpr uint32_t kSecond = 1'000'000'000;

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Error Malformed() { return Invalid("its pax header holds a malformed record"); }

bool HasZero(std::string_view text) { return text.find('\0') != text.npos; }

// The digits after the point, cut or filled up to nanoseconds.
std::optional<uint32_t> Fraction(std::string_view digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < std::max(digits.size(), kFractionDigits); ++i) {
    const char c = i < digits.size() ? digits[i] : '0';
    if (c < '0' || c > '9') return std::nullopt;
    if (i < kFractionDigits) value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  return value;
}

std::optional<PaxTime> ParseTime(std::string_view text) {
  const size_t point = std::min(text.find('.'), text.size());
  const auto seconds = DecimalNumber(text.substr(0, point));
  const auto fraction = Fraction(text.substr(std::min(point + 1, text.size())));
  if (!seconds || !fraction) return std::nullopt;
  // "-0.5" is half a second before 1970: the sign is that of the whole, and zero has one.
  if (*fraction == 0 || !text.starts_with('-')) return PaxTime{*seconds, *fraction};
  if (*seconds == std::numeric_limits<int64_t>::min()) return std::nullopt;
  return PaxTime{*seconds - 1, kSecond - *fraction};
}

}  // namespace

std::optional<int64_t> DecimalNumber(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<PaxRecords> PaxRecords::Parse(std::string_view text) {
  PaxRecords parsed;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    if (space == text.npos) return Malformed();
    const auto length = DecimalNumber(text.substr(0, space));
    if (!length || *length <= 0) return Malformed();
    const auto size = static_cast<uint64_t>(*length);
    if (size < space + 2 || size > text.size() || text[size - 1] != '\n') return Malformed();
    const auto record = text.substr(space + 1, size - space - 2);
    const size_t equals = record.find('=');
    if (equals == record.npos) return Malformed();
    LOCKET_TRY(parsed.Add(record.substr(0, equals), record.substr(equals + 1)));
    text.remove_prefix(size);
  }
  if (parsed.sparse_numbers_.size() % 2 != 0) return Malformed();
  return parsed;
}

Status PaxRecords::Add(std::string_view key, std::string_view value) {
  if (key.empty() || HasZero(key)) return Malformed();
  if (HasZero(value) && std::ranges::find(kTexts, key) != kTexts.end()) return Malformed();
  if (key != kSparseOffset && key != kSparseBytes) {
    records_.insert_or_assign(std::string(key), std::string(value));
    return Ok();
  }
  // Format 0.0 of sparse files repeats these two keys, so their order counts.
  const bool wants_offset = sparse_numbers_.size() % 2 == 0;
  const auto number = DecimalNumber(value);
  if (wants_offset != (key == kSparseOffset) || !number) return Malformed();
  sparse_numbers_.push_back(*number);
  return Ok();
}

std::optional<std::string_view> PaxRecords::Find(std::string_view key) const {
  const auto found = records_.find(key);
  if (found == records_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

Result<std::optional<int64_t>> PaxRecords::FindNumber(std::string_view key) const {
  const auto text = Find(key);
  if (!text) return std::optional<int64_t>();
  const auto number = DecimalNumber(*text);
  if (!number) return Invalid("its pax header's '" + std::string(key) + "' is not a number");
  return number;
}

Result<std::optional<PaxTime>> PaxRecords::FindTime(std::string_view key) const {
  const auto text = Find(key);
  if (!text) return std::optional<PaxTime>();
  const auto time = ParseTime(*text);
  if (!time) return Invalid("its pax header's '" + std::string(key) + "' is not a time");
  return time;
}

}  // namespace locket::erofs
