#include "runtime-shim/config/command_line.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace locket::runtime_shim {
namespace {

constexpr size_t kMaxIdentifier = 76;

constexpr std::string_view kHelp =
    "containerd-shim-locket-v2: runs the pods of containerd, each in a confidential VM.\n"
    "\n"
    "containerd starts it, for runtime_type = \"io.containerd.locket.v2\". Nobody needs to\n"
    "start it by hand.\n"
    "\n"
    "usage: containerd-shim-locket-v2 -namespace NS -id ID -address SOCKET\n"
    "           [-publish-binary PATH] [-bundle DIR] [-debug] start|delete\n"
    "       containerd-shim-locket-v2 -info < OPTIONS\n"
    "       containerd-shim-locket-v2 --help | --version\n"
    "\n"
    "  start    Serve the pod, or join the shim that serves it already. Prints the address of\n"
    "           the shim's ttrpc socket. Standard input holds the runtime options (containerd\n"
    "           up to 2.2) or BootstrapParams (since 2.3). BootstrapParams win over the flags\n"
    "           and are answered with a BootstrapResult\n"
    "  delete   Clean up after a shim that died. Prints a DeleteResponse\n"
    "  -info    Print name, version and the given runtime options, as a RuntimeInfo\n"
    "\n"
    "  -namespace NS         containerd's namespace\n"
    "  -id ID                ID of the container\n"
    "  -address SOCKET       containerd's socket\n"
    "  -publish-binary PATH  Accepted and not used\n"
    "  -bundle DIR           Directory of the container's bundle\n"
    "  -debug                Log debug messages\n"
    "\n"
    "ConfigPath in the runtime options names the configuration file. The default is\n"
    "/etc/locket/runtime-shim.toml, which explains every key. The environment variable\n"
    "TTRPC_ADDRESS says where task events go, if standard input does not.\n"
    "Exits 0 if it did its work, 1 for a failure, 2 for a wrong command line.\n";

Error Bad(const std::string& why) { return {ErrorCode::kInvalidArgument, why + " (see --help)"}; }

// The place a flag's value goes, or null.
std::string* TextFlag(CommandLine& line, std::string_view name) {
  if (name == "namespace") return &line.namespace_name;
  if (name == "id") return &line.id;
  if (name == "address") return &line.containerd_address;
  if (name == "ttrpc-address") return &line.containerd_ttrpc_address;
  if (name == "publish-binary") return &line.publish_binary;
  return nullptr;
}

std::filesystem::path* PathFlag(CommandLine& line, std::string_view name) {
  if (name == "bundle") return &line.bundle;
  if (name == "config") return &line.config;
  if (name == "socket-dir") return &line.socket_dir;
  return nullptr;
}

std::optional<Action> ActionFlag(std::string_view name) {
  if (name == "h" || name == "help") return Action::kHelp;
  if (name == "v" || name == "version") return Action::kVersion;
  if (name == "info") return Action::kInfo;
  return std::nullopt;
}

Result<Action> ParseAction(const std::string& text) {
  if (text == "start") return Action::kStart;
  if (text == "delete") return Action::kDelete;
  if (text == "serve") return Action::kServe;
  return Bad("unknown action '" + text + "'");
}

Status Check(const CommandLine& line) {
  const bool in_message =
      line.action == Action::kStart && line.id.empty() && line.namespace_name.empty();
  if (!in_message) LOCKET_TRY(CheckIdentity(line));
  if (line.action == Action::kServe && line.config.empty()) return Bad("serve needs -config");
  return Ok();
}

}  // namespace

Status CheckIdentity(const CommandLine& line) {
  if (!IsIdentifier(line.namespace_name)) {
    return Bad("-namespace '" + line.namespace_name + "' is not an identifier");
  }
  if (!IsIdentifier(line.id)) return Bad("-id '" + line.id + "' is not an identifier");
  return Ok();
}

bool IsIdentifier(std::string_view text) {
  if (text.empty() || text.size() > kMaxIdentifier) return false;
  bool separator = true;  // as if one stood before the text: none may come first
  for (const char c : text) {
    const bool alphanumeric = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (!alphanumeric && (separator || (c != '.' && c != '_' && c != '-'))) return false;
    separator = !alphanumeric;
  }
  return !separator;
}

Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::optional<Action> action;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with('-')) {
      if (action) return Bad("more than one action");
      LOCKET_TRY_ASSIGN(action, ParseAction(argument));
      continue;
    }
    auto name = std::string_view(argument).substr(argument.starts_with("--") ? 2 : 1);
    const size_t equals = name.find('=');
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = name.substr(equals + 1);
    name = name.substr(0, equals);
    if (const auto informative = ActionFlag(name)) {
      line.action = *informative;
      return line;
    }
    if (name == "debug") {
      line.debug = value.value_or("true") == "true";
      continue;
    }
    std::string* text = TextFlag(line, name);
    std::filesystem::path* path = PathFlag(line, name);
    if (text == nullptr && path == nullptr) return Bad("unknown flag '" + argument + "'");
    if (!value) {
      if (i + 1 == arguments.size()) return Bad("flag '" + argument + "' has no value");
      value = arguments[++i];
    }
    if (text != nullptr) *text = *value;
    if (path != nullptr) *path = *value;
  }
  if (!action) return Bad("no action");
  line.action = *action;
  LOCKET_TRY(Check(line));
  return line;
}

std::string_view HelpText() { return kHelp; }

}  // namespace locket::runtime_shim
