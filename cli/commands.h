// How the groups of commands join the program.
//
// `Run` (run.h) calls every AddX once. Each adds its subcommands, with options and help, to `app`.
// When CLI11 parses the command line, the callback of the chosen subcommand puts two steps into
// `selected`, and `Run` then calls check() and run(). Nothing outside is touched before run().
//
// The values of options belong to the closures in `selected`, so these stay usable after `app` is
// gone. `context` and `selected` must outlive `app`.
//
// To add a command: write `AddX` in the room of its group, call it in the group's AddXCommands, and
// describe it in docs/cli.md. A test compares that with the help.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/context.h"

namespace CLI {
class App;
}

namespace locket::cli {

// Returns an error for a mistake in the command line.
inline Error Usage(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

struct Selected {
  // Checks the options, alone and together, and touches nothing outside. An error is a mistake in
  // the command line: `Run` prints it with a hint to --help and exits 2. May be empty.
  std::function<Status()> check;
  // Does the work and returns the exit code. An error is printed and gives exit code 1.
  std::function<Result<int>()> run;
};

void AddImageCommands(CLI::App& app, Context& context, Selected& selected);
void AddKeyCommands(CLI::App& app, Context& context, Selected& selected);
void AddBrokerCommands(CLI::App& app, Context& context, Selected& selected);
void AddInitdataCommands(CLI::App& app, Context& context, Selected& selected);
// `after_dashes` are the arguments after `--`, for `pod run` and `pod exec`. Must outlive `app`.
void AddPodCommands(CLI::App& app, Context& context, const std::vector<std::string>& after_dashes,
                    Selected& selected);
// `app` is the whole program. It must still exist when the command runs: the script is made from
// it.
void AddCompletionCommand(CLI::App& app, Context& context, Selected& selected);
void AddCacheCommands(CLI::App& app, Context& context, Selected& selected);
void AddDoctorCommand(CLI::App& app, Context& context, Selected& selected);

}  // namespace locket::cli
