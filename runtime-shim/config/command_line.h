// The command line containerd gives a runtime v2 shim: Go-style flags (-name value or -name=value,
// one dash or two), then an action.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace locket::runtime_shim {

enum class Action {
  kStart,   // begin serving a pod or join the shim that serves it; print the address
  kDelete,  // clean up after a shim that died
  kServe,   // ours: the daemon that `start` leaves behind, listening socket on descriptor 3
  kInfo,    // print a RuntimeInfo
  kHelp,
  kVersion,
};

struct CommandLine {
  Action action = Action::kStart;
  std::string namespace_name{};
  std::string id{};
  std::string containerd_address{};
  std::string containerd_ttrpc_address{};  // where events go; empty: as the environment says
  std::string publish_binary{};
  std::filesystem::path bundle{};      // empty: the working directory
  std::filesystem::path config{};      // serve only
  std::filesystem::path socket_dir{};  // where the shim's socket goes; empty: into state_dir
  bool debug = false;
  bool operator==(const CommandLine&) const = default;
};

// kInvalidArgument: an unknown flag or action, a value missing, or an id or namespace that
// containerd would not have given (they become file names). `start` may lack both
// (start_request.h).
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// kInvalidArgument: id or namespace are not identifiers.
Status CheckIdentity(const CommandLine& line);

// containerd's rule for identifiers: letters and digits, with single '.', '_' or '-' between them;
// at most 76 characters.
bool IsIdentifier(std::string_view text);

std::string_view HelpText();

}  // namespace locket::runtime_shim
