// Configuration files in TOML. A reader takes the keys that it knows, one by one; a key that is
// left at the end is an error that names it, so a misspelt key is found instead of ignored.
//
//   LOCKET_TRY_ASSIGN(TomlTable table, TomlTable::Parse(text));
//   LOCKET_TRY(table.Take("threads", 1, 256, &config.threads));  // absent: the default stays
//   LOCKET_TRY_ASSIGN(TomlTable tls, table.TakeTable("tls"));
//   LOCKET_TRY(tls.Take("key", &config.key));
//   LOCKET_TRY(tls.Finish());
//   LOCKET_TRY(table.Finish());
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace locket {

// Returns kInvalidArgument with the message "key 'KEY': WHY".
Error WrongKey(std::string_view key, std::string_view why);

// A table of the document, or one of its inner tables. Movable; for one thread.
class TomlTable {
 public:
  // kInvalidArgument: the text is not TOML. The message is one line and has the number of the line.
  static Result<TomlTable> Parse(std::string_view text);

  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;
  ~TomlTable();

  // Each takes the key out of the table and sets `*out`. If the key is not there, `*out` stays as
  // it is. Numbers are between `least` and `most`, both included. kInvalidArgument: the value is of
  // another type or out of range; `*out` is as it was.
  Status Take(const char* key, std::string* out);
  Status Take(const char* key, std::optional<std::string>* out);
  Status Take(const char* key, std::filesystem::path* out);
  Status Take(const char* key, bool* out);
  Status Take(const char* key, std::vector<std::string>* out);
  template <std::integral Number>
  Status Take(const char* key, int64_t least, int64_t most, Number* out) {
    LOCKET_TRY_ASSIGN(const auto number, TakeNumber(key, least, most));
    if (number) *out = static_cast<Number>(*number);
    return Ok();
  }
  Status Take(const char* key, int64_t least, int64_t most, std::chrono::seconds* out);

  // Takes and returns the inner table of that name, an empty one if it is not there.
  // kInvalidArgument: the value is not a table.
  Result<TomlTable> TakeTable(const char* key);

  // Returns WrongKey for a key of this table, with the names of the tables around it
  // ("tls.key"). For checks that a caller makes itself.
  Error Wrong(const char* key, std::string_view why) const;

  // kInvalidArgument: a key is left that nobody took; the message names it.
  Status Finish() const;

 private:
  struct Values;
  Result<std::optional<int64_t>> TakeNumber(const char* key, int64_t least, int64_t most);
  explicit TomlTable(std::unique_ptr<Values> values);
  std::unique_ptr<Values> values_;
};

// Takes the keys log_level and log_format, which every server's configuration has.
Status TakeLog(TomlTable& table, log::Level* level, log::Format* format);

}  // namespace locket
