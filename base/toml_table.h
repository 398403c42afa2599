// Configuration files: TOML whose keys are taken one by one, so that what nobody took is an error
// that names it.
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

// kInvalidArgument, "key 'KEY': WHY".
Error WrongKey(std::string_view key, std::string_view why);

class TomlTable {
 public:
  // kInvalidArgument: not TOML; one line, with the number of the document's.
  static Result<TomlTable> Parse(std::string_view text);

  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;
  ~TomlTable();

  // Each sets `*out` if the key is there, and leaves it alone if not. kInvalidArgument: the value
  // has another type or is out of range.
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

  // The table of that name, empty if it is not there.
  Result<TomlTable> TakeTable(const char* key);

  // WrongKey of a key of this table, for what its caller finds wrong.
  Error Wrong(const char* key, std::string_view why) const;

  // kInvalidArgument: a key is left.
  Status Finish() const;

 private:
  struct Values;
  Result<std::optional<int64_t>> TakeNumber(const char* key, int64_t least, int64_t most);
  explicit TomlTable(std::unique_ptr<Values> values);
  std::unique_ptr<Values> values_;
};

// The keys log_level and log_format of a server's configuration.
Status TakeLog(TomlTable& table, log::Level* level, log::Format* format);

}  // namespace locket
