#include "base/toml_table.h"

#include <algorithm>
#include <sstream>
#include <toml.hpp>
#include <utility>

#include "base/toml_mistake.h"
#include "base/utf8.h"

namespace locket {
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
    return Error(ErrorCode::kInvalidArgument, "not TOML: " + TomlMistake(failed.what()));
  }
}

TomlTable::TomlTable(std::unique_ptr<Values> values) : values_(std::move(values)) {}
TomlTable::TomlTable(TomlTable&&) noexcept = default;
TomlTable& TomlTable::operator=(TomlTable&&) noexcept = default;
TomlTable::~TomlTable() = default;

Status TomlTable::Take(const char* key, std::string* out) {
  std::optional<std::string> text;
  LOCKET_TRY(Take(key, &text));
  if (text) *out = *std::move(text);
  return Ok();
}

Status TomlTable::Take(const char* key, std::optional<std::string>* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_string()) return Wrong(key, "must be a text");
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
  if (!value->is_boolean()) return Wrong(key, "must be true or false");
  *out = value->as_boolean();
  return Ok();
}

Result<std::optional<int64_t>> TomlTable::TakeNumber(const char* key, int64_t least, int64_t most) {
  const auto value = values_->Remove(key);
  if (!value) return std::optional<int64_t>();
  if (!value->is_integer() || value->as_integer() < least || value->as_integer() > most) {
    return Wrong(key, "must be a whole number from " + std::to_string(least) + " to " +
                          std::to_string(most));
  }
  return std::optional<int64_t>(value->as_integer());
}

Status TomlTable::Take(const char* key, int64_t least, int64_t most, std::chrono::seconds* out) {
  LOCKET_TRY_ASSIGN(const auto number, TakeNumber(key, least, most));
  if (number) *out = std::chrono::seconds(*number);
  return Ok();
}

Status TomlTable::Take(const char* key, std::vector<std::string>* out) {
  const auto value = values_->Remove(key);
  if (!value) return Ok();
  if (!value->is_array()) return Wrong(key, "must be a list of texts");
  std::vector<std::string> texts;
  for (const auto& entry : value->as_array()) {
    if (!entry.is_string()) return Wrong(key, "must be a list of texts");
    texts.push_back(entry.as_string().str);
  }
  *out = std::move(texts);
  return Ok();
}

Result<TomlTable> TomlTable::TakeTable(const char* key) {
  auto inner = std::make_unique<Values>();
  inner->prefix = values_->prefix + key + ".";
  if (const auto value = values_->Remove(key)) {
    if (!value->is_table()) return Wrong(key, "must be a table");
    inner->values = value->as_table();
  }
  return TomlTable(std::move(inner));
}

Error TomlTable::Wrong(const char* key, std::string_view why) const {
  return WrongKey(values_->prefix + key, why);
}

Status TomlTable::Finish() const {
  const auto& left = values_->values;
  if (left.empty()) return Ok();
  // They stand there by their hashes: the same one is named each time.
  const auto& first =
      *std::ranges::min_element(left, {}, [](const auto& one) { return one.first; });
  return Wrong(first.first.c_str(), "unknown");
}

Status TakeLog(TomlTable& table, log::Level* level, log::Format* format) {
  std::optional<std::string> text;
  LOCKET_TRY(table.Take("log_level", &text));
  if (text) {
    LOCKET_TRY_ASSIGN(*level, log::ParseLevel(*text).While("key 'log_level'"));
  }
  text.reset();
  LOCKET_TRY(table.Take("log_format", &text));
  if (text) {
    LOCKET_TRY_ASSIGN(*format, log::ParseFormat(*text).While("key 'log_format'"));
  }
  return Ok();
}

}  // namespace locket
