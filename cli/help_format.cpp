#include "cli/help_format.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>
#include <string>

namespace locket::cli {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kNameColumns = 26;

std::string BreakLine(const std::string& line, size_t width) {
  std::istringstream words(line);
  std::string broken;
  size_t column = 0;
  for (std::string word; words >> word;) {
    const bool fits = column + 1 + word.size() <= width;
    if (column > 0) broken += fits ? ' ' : '\n';
    column = (column > 0 && fits ? column + 1 : 0) + word.size();
    broken += word;
  }
  return broken;
}

// `text` with no line longer than `width`, except for longer words and for lines that begin with a
// space.
std::string Broken(const std::string& text, size_t width) {
  std::istringstream lines(text);
  std::string broken;
  const char* between = "";
  for (std::string line; std::getline(lines, line); between = "\n") {
    broken += between + (line.starts_with(' ') ? line : BreakLine(line, width));
  }
  return broken;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNameColumns); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return Broken(option->get_description(), kColumns - kNameColumns);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::ostringstream out;
    CLI::detail::format_help(out, command->get_display_name(true),
                             Broken(command->get_description(), kColumns - kNameColumns),
                             kNameColumns);
    return out.str();
  }
  std::string make_description(const CLI::App* app) const override {
    return Broken(CLI::Formatter::make_description(app), kColumns) + "\n";
  }
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = app->get_footer();
    return footer.empty() ? "" : Broken(footer, kColumns) + "\n";
  }
};

}  // namespace

void BreakHelpLines(CLI::App& app) { app.formatter(std::make_shared<HelpFormatter>()); }

}  // namespace locket::cli
