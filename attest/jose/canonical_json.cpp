#include "attest/jose/canonical_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "attest/common/json.h"

namespace locket::attest {
namespace {

// RFC 8785, 3.2.3 sorts names by UTF-16 code units. That differs from the order of UTF-8 bytes only
// where surrogates (from U+10000 on, four bytes led by 0xF0) meet U+E000 to U+FFFF (led by 0xEE
// and 0xEF): there the surrogates come first.
bool Utf16Less(const std::string& a, const std::string& b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (y == b.end()) return false;
  if (x == a.end()) return true;
  const auto weight = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xF0 ? 0xEDU * 2 + 1 : byte * 2U;  // between 0xED and 0xEE
  };
  const bool same_weight = weight(*x) == weight(*y);
  return same_weight ? static_cast<unsigned char>(*x) < static_cast<unsigned char>(*y)
                     : weight(*x) < weight(*y);
}

// ECMAScript's Number::toString: shortest digits; plain from 1e-6 up to below 1e21.
std::string NumberText(double value) {
  if (value == 0) return "0";  // and minus zero
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value),
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  int exponent = 0;
  const size_t exponent_at = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);
  const int point = exponent + 1;  // digits before the decimal point
  const int count = static_cast<int>(digits.size());
  const std::string sign = value < 0 ? "-" : "";
  if (point > 0 && point <= 21) {
    if (count <= point) return sign + digits + std::string(static_cast<size_t>(point - count), '0');
    return sign + digits.insert(static_cast<size_t>(point), ".");
  }
  if (point <= 0 && point > -6) {
    return sign + "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  }
  if (count > 1) digits.insert(1, ".");
  return sign + digits + "e" + (exponent < 0 ? "-" : "+") + std::to_string(std::abs(exponent));
}

void Write(const nlohmann::json& value, std::string& out);

void WriteObject(const nlohmann::json& value, std::string& out) {
  std::vector<std::string> names;
  for (const auto& item : value.items()) names.push_back(item.key());
  std::sort(names.begin(), names.end(), Utf16Less);
  out += '{';
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    out += DumpJson(nlohmann::json(names[i]));
    out += ':';
    Write(value.at(names[i]), out);
  }
  out += '}';
}

void Write(const nlohmann::json& value, std::string& out) {
  if (value.is_object()) {
    WriteObject(value, out);
  } else if (value.is_array()) {
    out += '[';
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ',';
      Write(value[i], out);
    }
    out += ']';
  } else if (value.is_number()) {
    out += NumberText(value.get<double>());
  } else {
    // Texts: nlohmann escapes what RFC 8785, 3.2.2.2 asks for: the two-letter escapes, \u00xx in
    // lower case for other control characters, nothing else.
    out += DumpJson(value);
  }
}

}  // namespace

Result<std::string> CanonicalJson(std::string_view json) {
  LOCKET_TRY_ASSIGN(const auto value, ParseJson(json));
  std::string out;
  Write(value, out);
  return out;
}

}  // namespace locket::attest
