#include "base/server_flags.h"

namespace locket {

Result<std::optional<std::string>> ParseArguments(CLI::App& app, int argc,
                                                  const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return std::optional(app.help());
  } catch (const CLI::CallForVersion& version) {
    return std::optional(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& e) {
    return Error(ErrorCode::kInvalidArgument, std::string(e.what()) + " (see --help)");
  }
  return std::optional<std::string>();
}

void LogFlags::AddTo(CLI::App& app) {
  app.add_option("--log-level", level_,
                 "Log messages of this level and above: debug, info,\n"
                 "warning or error (default: info)")
      ->type_name("LEVEL");
  app.add_option("--log-format", format_, "Format of log messages: text or json (default: text)")
      ->type_name("FORMAT");
}

Status LogFlags::Apply(log::Level* level, log::Format* format) const {
  if (!level_.empty()) {
    LOCKET_TRY_ASSIGN(*level, log::ParseLevel(level_));
  }
  if (!format_.empty()) {
    LOCKET_TRY_ASSIGN(*format, log::ParseFormat(format_));
  }
  return Ok();
}

}  // namespace locket
