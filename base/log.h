// The log front end: one line for each event on standard error, with time, level, message and
// key=value fields (docs/decisions/0001-log-front-end.md).
//
// Levels: error, a request failed; warning, we carried on, and the message says how; info, a rare
// change of state that an operator wants to know; debug, everything else. The folder that decides
// what happens next logs a failure, once; libraries return it. A Secret has no conversion to text
// and so cannot be logged.
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

// A name and a value. `key` is a literal, or outlives the call that logs it.
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

// Sets the program's name, the least level that is written, and the form of the lines. For main,
// before it starts other threads. Without a call: no name, info and above, text.
void Init(std::string_view program, Level least, Format format);

// From "debug", "info", "warning" or "error". kInvalidArgument: anything else.
Result<Level> ParseLevel(std::string_view text);

// From "text" or "json". kInvalidArgument: anything else.
Result<Format> ParseFormat(std::string_view text);

// One finished line without its line feed, as Init's format writes it. Exposed for tests.
std::string FormatLine(Format format, std::string_view time, std::string_view program, Level level,
                       std::string_view message, std::initializer_list<Field> fields);

// Write one line each, if its level is written. Thread-safe: a line is one write(2), so lines of
// several threads never mix. A line that standard error does not take is lost.
void Debug(std::string_view message, std::initializer_list<Field> fields = {});
void Info(std::string_view message, std::initializer_list<Field> fields = {});
void Warning(std::string_view message, std::initializer_list<Field> fields = {});
void Error(std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace locket::log
