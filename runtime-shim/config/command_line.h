// The command line containerd gives a runtime v2 shim: Go-style flags (-name value or -name=value,
// one dash or two), then an action.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

// What containerd wants of this process. Each runs once and ends, but kServe.
enum class Action {
  kStart,   // begin serving a pod or join the shim that serves it; print the address
  kDelete,  // clean up after a shim that died
  kServe,   // ours: the daemon that `start` leaves behind, listening socket on descriptor 3
  kInfo,    // print a RuntimeInfo
  kHelp,
  kVersion,
};

// One call of the shim. Fields that were not given are empty.
struct CommandLine {
  Action action = Action::kStart;
  std::string namespace_name{};            // containerd's, of the container: "k8s.io"
  std::string id{};                        // of the container
  std::string containerd_address{};        // its gRPC socket
  std::string containerd_ttrpc_address{};  // where events go; empty: as the environment says
  std::string publish_binary{};            // taken and not used: events go over ttrpc
  std::filesystem::path bundle{};          // empty: the working directory
  std::filesystem::path config{};          // serve only
  std::filesystem::path socket_dir{};      // where the shim's socket goes; empty: into state_dir
  bool debug = false;
  bool operator==(const CommandLine&) const = default;
};

// Returns the call that `arguments` (without the program's name) describe. `start` may lack ID and
// namespace, as they may come on standard input (start_request.h). kInvalidArgument: an unknown
// flag or action, a value missing, or an ID or namespace that is not an identifier.
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// Checks ID and namespace, which become names of files. kInvalidArgument: one is missing, or is not
// an identifier.
Status CheckIdentity(const CommandLine& line);

// Returns whether `text` is an identifier by containerd's rule: letters and digits, with single
// '.', '_' or '-' between them; 1 to 76 characters.
bool IsIdentifier(std::string_view text);

// Returns what `-help` prints.
std::string_view HelpText();

}  // namespace locket::runtime_shim
