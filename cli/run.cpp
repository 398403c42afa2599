#include "cli/run.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "base/log.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/help_format.h"
#include "cli/result_text.h"

namespace locket::cli {
namespace {

constexpr int kUsage = 2;
constexpr const char* kFooter =
    "'locket COMMAND --help' describes a command. The manual is locket(1), or docs/cli.md.\n"
    "\n"
    "Examples:\n"
    "  locket image seal oci:app:latest registry.example/app:1 \\\n"
    "    --kek kek.bin --key-id kbs:///team/key/app\n"
    "  locket pod run registry.example/app:1 --initdata app.toml\n"
    "  locket doctor";

int Complain(Context& context, const Error& error, int exit_code) {
  context.out.flush();
  context.err << "locket: " << Printable(error.message()) << "\n";
  return exit_code;
}

// The deepest command the user named: usage errors point to its help.
std::string CommandName(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + CommandName(*chosen.front());
}

// What CLI11 says, except of a word that is no command: to it only the command is missing.
std::string WhatIsWrong(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) return WhatIsWrong(*chosen.front(), error);
  const auto unknown = app.remaining();
  if (app.get_require_subcommand_min() == 0 || unknown.empty()) return error.what();
  const std::string& word = unknown.front();
  if (word.starts_with('-')) return "unknown option '" + word + "'";
  std::string commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : ", ") + command->get_name();
  }
  return "unknown command '" + word + "': use one of " + commands;
}

void AddVersionCommand(CLI::App& app, Context& context, Selected& selected) {
  app.add_subcommand("version", "Print the version")->callback([&] {
    selected.run = [&context]() -> Result<int> {
      context.out << "locket " << kVersion << "\n";
      return 0;
    };
  });
}

// Parses; a value is the exit code to leave with at once (help, version, wrong usage).
std::optional<int> Parse(CLI::App& app, std::vector<std::string> arguments, Context& context) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::Success& success) {
    return app.exit(success, context.out, context.err);
  } catch (const CLI::ParseError& error) {
    context.err << "locket: " << Printable(WhatIsWrong(app, error)) << " (see '" << CommandName(app)
                << " --help')\n";
    return kUsage;
  }
}

Status CheckAndInit(const Selected& selected, const std::string& log_level) {
  LOCKET_TRY_ASSIGN(const log::Level level, log::ParseLevel(log_level).While("--log-level"));
  log::Init("locket", level, log::Format::kText);
  return selected.check ? selected.check() : Ok();
}

}  // namespace

int Run(const std::vector<std::string>& arguments, Context& context) {
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const bool has_dashes = dashes != arguments.end();
  const std::vector<std::string> after_dashes(has_dashes ? dashes + 1 : dashes, arguments.end());

  CLI::App app("Seals, checks and runs confidential container images.", "locket");
  BreakHelpLines(app);
  app.set_version_flag("--version", "locket " + std::string(kVersion));
  std::string log_level = "warning";
  app.add_option("--log-level", log_level,
                 "Log messages of this level and above: debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
  app.require_subcommand(1);
  Selected selected;
  AddImageCommands(app, context, selected);
  AddKeyCommands(app, context, selected);
  AddBrokerCommands(app, context, selected);
  AddInitdataCommands(app, context, selected);
  AddPodCommands(app, context, after_dashes, selected);
  AddCacheCommands(app, context, selected);
  AddDoctorCommand(app, context, selected);
  AddCompletionCommand(app, context, selected);
  AddVersionCommand(app, context, selected);
  app.footer(kFooter);  // last: commands take over the footer of what they are added to

  if (auto exit_code = Parse(app, {arguments.begin(), dashes}, context)) return *exit_code;
  const std::string name = CommandName(app);
  if (has_dashes && name != "locket pod run" && name != "locket pod exec") {
    return Complain(
        context, {ErrorCode::kInvalidArgument, "only 'pod run' and 'pod exec' take '--'"}, kUsage);
  }
  if (auto usable = CheckAndInit(selected, log_level); !usable.ok()) {
    const std::string hint = " (see '" + CommandName(app) + " --help')";
    return Complain(context, {usable.error().code(), usable.error().message() + hint}, kUsage);
  }
  auto done = selected.run();
  if (!done.ok()) return Complain(context, done.error(), 1);
  // Half a result that looks like a whole one is worse than none.
  if (context.out.flush().good()) return *done;
  return Complain(context,
                  {ErrorCode::kUnavailable,
                   "write to standard output: the disk is full, or its reader has ended"},
                  1);
}

}  // namespace locket::cli
