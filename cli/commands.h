// How command groups join the program. Each AddX hangs its subcommands below `app`; parsing one of
// them leaves its two steps in `selected`. Options live in the closures, so `app` may go first.
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

struct Selected {
  // Are the options right together? Touches nothing outside. An error is a usage error (exit 2).
  std::function<Status()> check;
  // Does it. The value is the exit code; an error is printed and exits 1.
  std::function<Result<int>()> run;
};

void AddImageCommands(CLI::App& app, Context& context, Selected& selected);
void AddKeyCommands(CLI::App& app, Context& context, Selected& selected);
void AddBrokerCommands(CLI::App& app, Context& context, Selected& selected);
void AddInitdataCommands(CLI::App& app, Context& context, Selected& selected);
// `after_dashes`: what stood behind `--`, for `pod run`.
void AddPodCommands(CLI::App& app, Context& context, const std::vector<std::string>& after_dashes,
                    Selected& selected);
// `app` is the whole program, and must stand when the command runs.
void AddCompletionCommand(CLI::App& app, Context& context, Selected& selected);
void AddCacheCommands(CLI::App& app, Context& context, Selected& selected);
void AddDoctorCommand(CLI::App& app, Context& context, Selected& selected);

}  // namespace locket::cli
