// The log front end. One line an event on stderr: time, level, message, key=value fields. Levels:
// error: a request failed; warning: we carried on and say how; info: a rare change of state an
// operator wants; debug: the rest. A Secret has no way in.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace locket::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kText, kJson };

struct Field {
  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}
  // An error stands under "error" with its whole message.
  explicit Field(const ::locket::Error& error) : key("error"), value(error.message()) {}

  std::string_view key;
  std::string value;
};

// Called once, by main, before other threads start. Without it: text, info and above, no name.
void Init(std::string_view program, Level least, Format format);

// "debug", "info", "warning" or "error".
Result<Level> ParseLevel(std::string_view text);

// "text" or "json".
Result<Format> ParseFormat(std::string_view text);

// One finished line without its line feed, as Init's format writes it. Exposed for tests.
std::string FormatLine(Format format, std::string_view time, std::string_view program, Level level,
                       std::string_view message, std::initializer_list<Field> fields);

// Thread-safe; lines never mix.
void Debug(std::string_view message, std::initializer_list<Field> fields = {});
void Info(std::string_view message, std::initializer_list<Field> fields = {});
void Warning(std::string_view message, std::initializer_list<Field> fields = {});
void Error(std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace locket::log
