#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "attest/emulator/emulator.h"
#include "base/log.h"

namespace {

using namespace locket;

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-tee-emulator: %s\n", error.message().c_str());
  return status;
}

int Init(const attest::EmulatorInit& init) {
  log::Warning("EMULATED TEE: this root is a test root; what it vouches for is not protected.");
  const auto made = attest::CreateTestRoot(init.directory);
  return made.ok() ? EXIT_SUCCESS : Fail(made.error(), EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
  log::Init("locket-tee-emulator", log::Level::kInfo, log::Format::kText);
  const auto command = attest::ParseEmulatorArguments({argv + 1, argv + argc});
  if (!command.ok()) return Fail(command.error(), 2);
  if (const auto* help = std::get_if<attest::EmulatorHelp>(&*command)) {
    std::fputs(help->text.c_str(), stdout);
    return EXIT_SUCCESS;
  }
  if (const auto* init = std::get_if<attest::EmulatorInit>(&*command)) return Init(*init);
  const auto status = attest::RunEmulator(std::get<attest::EmulatorLaunch>(*command));
  return status.ok() ? *status : Fail(status.error(), EXIT_FAILURE);
}
