#include "base/toml_table.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <toml.hpp>
#include <utility>

#include "base/utf8.h"

namespace locket {
namespace {

constexpr int64_t kMaxSeconds = 24 * 3600;

}  // namespace

struct TomlTable::Values {
  toml::table values;
  std::string prefix;  // of its keys' names in messages

  std::optional<toml::value> Remove(const char* key) {
    const auto found = values.find(key);
    if (found == values.end()) return std::nullopt;
    std::optional<toml::value> value(std::move(found->second));
    values.erase(found);
    return value;
  }
  Error Wrong(const char* key, const std::string& why) const { return WrongKey(prefix + key, why); }
};

Error WrongKey(std::string_view key, std::string_view why) {
  return {ErrorCode::kInvalidArgument, std::string("key '").append(key).append("': ").append(why)};
}

Result<TomlTable> TomlTable::Parse(std::string_view text) {
  LOCKET_TRY(CheckUtf8(text).While("not TOML"));
  try {
    std::istringstream stream{std::string(text)};
    return TomlTable(std::make_unique<Values>(
        Values{.values = toml::parse(stream, "configuration").as_table(), .prefix = {}}));
  } catch (const std::exception& failed) {  // toml11 has no other way to say it
    std::string why = failed.what();
    std::ranges::replace(why, '\n', ' ');
    return Error(ErrorCode::kInvalidArgument, "not TOML: " + why);
  }
}

TomlTable::TomlTable(std::unique_ptr<Values> values) : values_(std::move(values)) {}
TomlTable::TomlTable(TomlTable&&) noexcept = default;
TomlTable& TomlTable::operator=(TomlTable&&) noexcept = default;
TomlTable::~TomlTable() = default;

Status TomlTable::Take(const char* key, std::string* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_string()) return values_->Wrong(key, "must be a text");
  *out = value->as_string().str;
  return Ok();
}

Status TomlTable::Take(const char* key, std::filesystem::path* out) {
  std::string text = out->string();
  LOCKET_TRY(Take(key, &text));
  *out = text;
  return Ok();
}

Status TomlTable::Take(const char* key, bool* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_boolean()) return values_->Wrong(key, "must be true or false");
  *out = value->as_boolean();
  return Ok();
}

Status TomlTable::Take(const char* key, int64_t least, int64_t most, int64_t* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_integer() || value->as_integer() < least || value->as_integer() > most) {
    return values_->Wrong(key, "must be a whole number from " + std::to_string(least) + " to " +
                                   std::to_string(most));
  }
  *out = value->as_integer();
  return Ok();
}

Status TomlTable::Take(const char* key, uint32_t least, uint32_t most, uint32_t* out) {
  int64_t number = *out;
  LOCKET_TRY(Take(key, int64_t{least}, int64_t{most}, &number));
  *out = static_cast<uint32_t>(number);
  return Ok();
}

Status TomlTable::Take(const char* key, std::chrono::seconds* out) {
  int64_t number = out->count();
  LOCKET_TRY(Take(key, 1, kMaxSeconds, &number));
  *out = std::chrono::seconds(number);
  return Ok();
}

Status TomlTable::Take(const char* key, std::vector<std::string>* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_array()) return values_->Wrong(key, "must be a list of texts");
  for (const auto& entry : value->as_array()) {
    if (!entry.is_string()) return values_->Wrong(key, "must be a list of texts");
    out->push_back(entry.as_string().str);
  }
  return Ok();
}

Result<TomlTable> TomlTable::TakeTable(const char* key) {
  auto inner = std::make_unique<Values>();
  inner->prefix = values_->prefix + key + ".";
  if (const auto value = values_->Remove(key)) {
    if (!value->is_table()) return values_->Wrong(key, "must be a table");
    inner->values = value->as_table();
  }
  return TomlTable(std::move(inner));
}

Status TomlTable::Finish() const {
  if (values_->values.empty()) return Ok();
  return WrongKey(values_->prefix + values_->values.begin()->first, "unknown");
}

}  // namespace locket
