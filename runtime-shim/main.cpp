#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "runtime-shim/command/commands.h"
#include "runtime-shim/command/start_request.h"

namespace {

using namespace locket;
using namespace locket::runtime_shim;

int Fail(const Error& error, int status) {
  const std::string line = "containerd-shim-locket-v2: " + error.message() + "\n";
  (void)WriteFull(STDERR_FILENO, AsBytes(line));
  return status;
}

int Print(const Result<std::string>& text) {
  if (!text.ok()) return Fail(text.error(), EXIT_FAILURE);
  const auto written = WriteFull(STDOUT_FILENO, AsBytes(*text));
  return written.ok() ? EXIT_SUCCESS : Fail(written.error(), EXIT_FAILURE);
}

int Serve(const CommandLine& line) {
  const char* set = ::getenv("TTRPC_ADDRESS");  // NOLINT(concurrency-mt-unsafe): one thread yet
  std::string events = line.containerd_ttrpc_address;
  if (events.empty() && set != nullptr) events = set;
  const auto served = RunServe(line, events);
  if (served.ok()) return EXIT_SUCCESS;
  log::Error("the shim failed", {log::Field(served.error())});
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = ParseCommandLine({argv + 1, argv + argc});
  if (!line.ok()) return Fail(line.error(), 2);
  switch (line->action) {
    case Action::kHelp:
      return Print(std::string(HelpText()));
    case Action::kVersion:
      return Print("containerd-shim-locket-v2 " + std::string(kVersion) + "\n");
    case Action::kStart:
    case Action::kInfo: {
      const auto options = ReadFile("/proc/self/fd/0", kMaxStartInput);
      if (!options.ok()) return Fail(options.error(), EXIT_FAILURE);
      if (line->action == Action::kInfo) return Print(RunInfo(*options));
      return Print(RunStart(*line, *options, SpawnSelf));
    }
    case Action::kDelete:
      return Print(RunDelete(*line));
    case Action::kServe:
      return Serve(*line);
  }
  return EXIT_FAILURE;
}
