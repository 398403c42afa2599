// Configuration files: TOML whose keys are taken one by one, so that what nobody took is an error
// that names it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket {

// kInvalidArgument, "key 'KEY': WHY".
Error WrongKey(std::string_view key, std::string_view why);

class TomlTable {
 public:
  // kInvalidArgument: not TOML; one line.
  static Result<TomlTable> Parse(std::string_view text);

  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;
  ~TomlTable();

  // Each sets `*out` if the key is there, and leaves it alone if not. kInvalidArgument: the value
  // has another type or is out of range.
  Status Take(const char* key, std::string* out);
  Status Take(const char* key, std::filesystem::path* out);
  Status Take(const char* key, bool* out);
  Status Take(const char* key, int64_t least, int64_t most, int64_t* out);
  Status Take(const char* key, uint32_t least, uint32_t most, uint32_t* out);
  Status Take(const char* key, std::chrono::seconds* out);      // from one to those of a day
  Status Take(const char* key, std::vector<std::string>* out);  // adds to what is there

  // The table of that name, empty if it is not there.
  Result<TomlTable> TakeTable(const char* key);

  // kInvalidArgument: a key is left.
  Status Finish() const;

 private:
  struct Values;
  explicit TomlTable(std::unique_ptr<Values> values);
  std::unique_ptr<Values> values_;
};

}  // namespace locket
