// What the command lines of our servers have in common, on top of CLI11. For .cpp files alone.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"

namespace locket {

// Parses the command line into the variables that `app`'s options are bound to. Returns the text to
// print on standard output before the program ends, if --help or --version was given, else nothing.
// kInvalidArgument: the command line is wrong; the message names --help.
Result<std::optional<std::string>> ParseArguments(CLI::App& app, int argc, const char* const* argv);

// The flags --log-level and --log-format, which win over a configuration file.
class LogFlags {
 public:
  // Adds both flags to `app`. This object outlives the parse.
  void AddTo(CLI::App& app);

  // Sets what was given on the command line, and leaves the rest alone. kInvalidArgument: a value
  // is not one of those that base/log.h knows.
  Status Apply(log::Level* level, log::Format* format) const;

 private:
  std::string level_{};
  std::string format_{};
};

}  // namespace locket
