// How `--help` looks.
#pragma once

namespace CLI {
class App;
}

namespace locket::cli {

// Breaks the lines of helps so that they fit a terminal of 80 columns. Lines of a footer that are
// indented are examples to copy and stay whole. Applies to `app` and to the subcommands that are
// added to it after this call.
void BreakHelpLines(CLI::App& app);

}  // namespace locket::cli
