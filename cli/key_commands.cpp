#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "cli/commands.h"
#include "cli/key.h"

namespace locket::cli {

void AddKeyCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("key", "Key encryption keys");
  group->require_subcommand(1);
  CLI::App* create = group->add_subcommand("create", "Make a new key encryption key");
  create->footer("Example:\n  locket key create kek.bin");
  auto file = std::make_shared<std::string>();
  create->add_option("FILE", *file, "New file for the 32 random bytes, mode 0600")->required();
  create->callback([&context, &selected, file] {
    selected.run = [&context, file]() -> Result<int> {
      LOCKET_TRY(CreateKeyFile(*file));
      context.out << "created " << *file << "\n";
      return 0;
    };
  });
}

}  // namespace locket::cli
