#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <sstream>
#include <vector>

#include "cli/commands.h"

namespace locket::cli {
namespace {

struct Option {
  std::string name;  // "--json"
  std::string help;
  bool takes_value;
};

// A command and where it hangs: "" is locket itself, "/image/seal" one of its own.
struct Command {
  std::string path;
  std::vector<std::pair<std::string, std::string>> commands{};  // and what each does
  std::vector<Option> options{};
};

void Collect(const CLI::App& app, const std::string& path, std::vector<Command>& found) {
  Command command{.path = path};
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      command.options.push_back({.name = "--" + name,
                                 .help = option->get_description(),
                                 .takes_value = option->get_items_expected_max() > 0});
    }
  }
  const auto below = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : below) {
    command.commands.emplace_back(child->get_name(), child->get_description());
  }
  found.push_back(std::move(command));
  for (const CLI::App* child : below) Collect(*child, path + "/" + child->get_name(), found);
}

// All of these shells understand '...'; none of our names and helps holds a quote but this one.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string FishQuoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

// "'/image'|'/image/seal'": every path but the root's.
std::string Paths(const std::vector<Command>& commands, const char* joint) {
  std::string paths;
  for (const auto& command : commands) {
    if (command.path.empty()) continue;
    paths += (paths.empty() ? "" : joint) + Quoted(command.path);
  }
  return paths;
}

// The words that may follow, in a case statement which bash and zsh share.
std::string WordCases(const std::vector<Command>& commands) {
  std::ostringstream text;
  text << "  case \"$at\" in\n";
  for (const auto& command : commands) {
    text << "    " << Quoted(command.path) << ")\n      commands='";
    for (const auto& [name, help] : command.commands) text << name << " ";
    text << "'\n      options='";
    for (const auto& option : command.options) text << option.name << " ";
    text << "' ;;\n";
  }
  text << "  esac\n";
  return text.str();
}

std::string Bash(const std::vector<Command>& commands) {
  return "# bash completion for locket; put it into /etc/bash_completion.d or source it.\n"
         "_locket() {\n  local at='' commands='' options='' word i\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n    word=\"${COMP_WORDS[i]}\"\n"
         "    case \"$at/$word\" in\n      " +
         Paths(commands, "|") + ") at=\"$at/$word\" ;;\n    esac\n  done\n" + WordCases(commands) +
         "  case \"$current\" in\n"
         "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
         "    *) COMPREPLY=($(compgen -W \"$commands\" -- \"$current\")) ;;\n"
         "  esac\n}\n"
         "complete -o bashdefault -o default -F _locket locket\n";
}

std::string Zsh(const std::vector<Command>& commands) {
  return "#compdef locket\n# zsh completion for locket; put it into a directory of $fpath as "
         "_locket.\n"
         "_locket() {\n  local at='' commands='' options='' word\n"
         "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
         "    case \"$at/$word\" in\n      " +
         Paths(commands, "|") + ") at=\"$at/$word\" ;;\n    esac\n  done\n" + WordCases(commands) +
         "  case \"${words[CURRENT]}\" in\n"
         "    -*) compadd -- ${=options} ;;\n"
         "    *) if [[ -n \"$commands\" ]]; then compadd -- ${=commands}; else _files; fi ;;\n"
         "  esac\n}\n"
         "compdef _locket locket\n";
}

std::string Fish(const std::vector<Command>& commands) {
  std::ostringstream text;
  text << "# fish completion for locket; put it into ~/.config/fish/completions/locket.fish.\n"
          "function __locket_at\n  set -l at ''\n"
          "  for word in (commandline -opc)[2..-1]\n    switch \"$at/$word\"\n      case "
       << Paths(commands, " ")
       << "\n        set at \"$at/$word\"\n    end\n  end\n  test \"$at\" = \"$argv[1]\"\nend\n";
  for (const auto& command : commands) {
    const std::string head =
        "complete -c locket -n " + FishQuoted("__locket_at '" + command.path + "'");
    for (const auto& [name, help] : command.commands) {
      text << head << " -f -a " << name << " -d " << FishQuoted(help) << "\n";
    }
    for (const auto& option : command.options) {
      text << head << " -l " << option.name.substr(2) << (option.takes_value ? " -r" : "") << " -d "
           << FishQuoted(option.help) << "\n";
    }
  }
  return text.str();
}

}  // namespace

Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell) {
  std::vector<Command> commands;
  Collect(app, "", commands);
  if (shell == "bash") return Bash(commands);
  if (shell == "zsh") return Zsh(commands);
  if (shell == "fish") return Fish(commands);
  return Error(ErrorCode::kInvalidArgument, "'" + shell + "' must be bash, zsh or fish");
}

void AddCompletionCommand(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* completion =
      app.add_subcommand("completion", "Print a script that completes commands for a shell");
  completion->footer(
      "Examples:\n"
      "  source <(locket completion bash)\n"
      "  locket completion bash > /etc/bash_completion.d/locket\n"
      "  locket completion zsh > /usr/local/share/zsh/site-functions/_locket\n"
      "  locket completion fish > ~/.config/fish/completions/locket.fish");
  auto shell = std::make_shared<std::string>();
  completion->add_option("SHELL", *shell, "Shell to complete for: bash, zsh or fish")
      ->type_name("")
      ->required();
  completion->callback([&app, &context, &selected, shell] {
    selected.check = [&app, shell]() -> Status {
      LOCKET_TRY(CompletionScript(app, *shell).While("SHELL"));
      return Ok();
    };
    selected.run = [&app, &context, shell]() -> Result<int> {
      LOCKET_TRY_ASSIGN(const std::string script, CompletionScript(app, *shell));
      context.out << script;
      return 0;
    };
  });
}

}  // namespace locket::cli
