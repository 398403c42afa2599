#include "base/log.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::log {
namespace {

struct Config {
  std::string program;
  Level least = Level::kInfo;
  Format format = Format::kText;
};

// The one mutable global of the tree: written by Init before threads start, only read afterwards.
Config& TheConfig() {
  static Config config;
  return config;
}

constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};

std::string_view Name(Level level) { return kNames[static_cast<size_t>(level)]; }

std::string Now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string out(text.data(), length);
  const std::string digits = std::to_string(ms);
  return out.append(".").append(3 - digits.size(), '0').append(digits).append("Z");
}

// Quotes what would break `key=value` apart, and makes control characters visible.
std::string Quoted(std::string_view value) {
  return nlohmann::json(value).dump(-1, ' ', /*ensure_ascii=*/false,
                                    nlohmann::json::error_handler_t::replace);
}

void Write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  const Config& config = TheConfig();
  if (level < config.least) return;
  const std::string line =
      FormatLine(config.format, Now(), config.program, level, message, fields) + "\n";
  // One write(2) a line keeps lines of several threads apart. A full or closed stderr has nobody
  // left to be told.
  (void)WriteFull(STDERR_FILENO, AsBytes(line));
}

}  // namespace

void Init(std::string_view program, Level least, Format format) {
  TheConfig() = {.program = std::string(program), .least = least, .format = format};
}

Result<Level> ParseLevel(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<Level>(i);
  }
  return ::locket::Error(ErrorCode::kInvalidArgument, "unknown log level '" + std::string(text) +
                                                          "': use debug, info, warning or error");
}

Result<Format> ParseFormat(std::string_view text) {
  if (text == "text") return Format::kText;
  if (text == "json") return Format::kJson;
  return ::locket::Error(ErrorCode::kInvalidArgument,
                         "unknown log format '" + std::string(text) + "': use text or json");
}

std::string FormatLine(Format format, std::string_view time, std::string_view program, Level level,
                       std::string_view message, std::initializer_list<Field> fields) {
  if (format == Format::kJson) {
    nlohmann::ordered_json line{
        {"time", time}, {"level", Name(level)}, {"program", program}, {"message", message}};
    for (const Field& field : fields) line[std::string(field.key)] = field.value;
    return line.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
  }
  std::string line(time);
  line.append(" ").append(Name(level)).append(" ");
  if (!program.empty()) line.append(program).append(": ");
  line.append(message);
  for (const Field& field : fields) {
    line.append(" ").append(field.key).append("=").append(Quoted(field.value));
  }
  return line;
}

void Debug(std::string_view message, std::initializer_list<Field> fields) {
  Write(Level::kDebug, message, fields);
}
void Info(std::string_view message, std::initializer_list<Field> fields) {
  Write(Level::kInfo, message, fields);
}
void Warning(std::string_view message, std::initializer_list<Field> fields) {
  Write(Level::kWarning, message, fields);
}
void Error(std::string_view message, std::initializer_list<Field> fields) {
  Write(Level::kError, message, fields);
}

}  // namespace locket::log
