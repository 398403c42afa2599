#include <algorithm>
#include <charconv>
#include <map>

#include "attest/emulator/emulator.h"
#include "base/encoding.h"
#include "base/version.h"

namespace locket::attest {
namespace {

constexpr std::string_view kUsage =
    "locket-tee-emulator: pretends to be a TEE, for tests, and PROTECTS NOTHING.\n"
    "\n"
    "usage: locket-tee-emulator init --dir DIR\n"
    "       locket-tee-emulator launch --dir DIR --socket PATH --host-data HEX [--policy HEX]\n"
    "           -- qemu-system-x86_64 ARGS...\n"
    "       locket-tee-emulator --help | --version\n"
    "\n"
    "  init    Make a test root in DIR: ark.pem, ask.pem, vcek.pem and their private keys.\n"
    "          DIR is made if it is missing, its parent is not. The broker needs only ark.pem\n"
    "  launch  Measure the files after -kernel and -initrd and the text after -append, start\n"
    "          QEMU, and answer the report requests of its guest on the unix socket PATH\n"
    "\n"
    "  --dir DIR        Directory of the test root\n"
    "  --socket PATH    Unix socket to answer report requests on\n"
    "  --host-data HEX  Host data of the guest, 64 lower-case hex digits\n"
    "  --policy HEX     Guest policy in the reports, a 64-bit number as in SEV-SNP (default:\n"
    "                   neither debugging nor migration is allowed)\n"
    "\n"
    "Reports have SEV-SNP's format and the signature of the test root.\n";

Error Usage(const std::string& message) {
  return {ErrorCode::kInvalidArgument, message + "; see --help"};
}

using Options = std::map<std::string, std::string>;

Result<Options> ParseOptions(const std::vector<std::string>& arguments,
                             const std::vector<std::string>& known) {
  Options options;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Usage("unknown option '" + name + "'");
    }
    if (i + 1 == arguments.size()) return Usage("'" + name + "' needs a value");
    if (!options.emplace(name, arguments[i + 1]).second) {
      return Usage("'" + name + "' stands twice");
    }
  }
  return options;
}

Result<std::string> Required(const Options& options, const std::string& name) {
  const auto found = options.find(name);
  if (found == options.end()) return Usage("'" + name + "' is missing");
  return found->second;
}

Result<uint64_t> ParsePolicy(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Usage("'--policy' is no 64-bit number in hex");
  }
  return value;
}

Result<EmulatorCommand> ParseLaunch(const std::vector<std::string>& arguments) {
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  LOCKET_TRY_ASSIGN(
      const auto options,
      ParseOptions({arguments.begin(), dashes}, {"--dir", "--socket", "--host-data", "--policy"}));
  if (dashes == arguments.end() || dashes + 1 == arguments.end()) {
    return Usage("QEMU's command line is missing after '--'");
  }
  LOCKET_TRY_ASSIGN(auto directory, Required(options, "--dir"));
  LOCKET_TRY_ASSIGN(auto socket, Required(options, "--socket"));
  LOCKET_TRY_ASSIGN(const auto hex, Required(options, "--host-data"));
  const auto bytes = HexDecode(hex);
  HostData host_data{};
  if (!bytes.ok() || bytes->size() != host_data.size()) {
    return Usage("'--host-data' is not 64 lower-case hex digits");
  }
  std::copy(bytes->begin(), bytes->end(), host_data.begin());
  EmulatorLaunch launch{.directory = std::move(directory),
                        .socket = std::move(socket),
                        .host_data = host_data,
                        .qemu = {dashes + 1, arguments.end()}};
  if (options.contains("--policy")) {
    LOCKET_TRY_ASSIGN(launch.policy, ParsePolicy(options.at("--policy")));
  }
  return EmulatorCommand(std::move(launch));
}

}  // namespace

Result<EmulatorCommand> ParseEmulatorArguments(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return Usage("no command");
  const std::string& command = arguments.front();
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (command == "--version") {
    return EmulatorCommand(
        EmulatorHelp{.text = "locket-tee-emulator " + std::string(kVersion) + "\n"});
  }
  const auto end = std::find(rest.begin(), rest.end(), "--");
  if (command == "--help" || std::find(rest.begin(), end, "--help") != end) {
    return EmulatorCommand(EmulatorHelp{.text = std::string(kUsage)});
  }
  if (command == "init") {
    LOCKET_TRY_ASSIGN(const auto options, ParseOptions(rest, {"--dir"}));
    LOCKET_TRY_ASSIGN(auto directory, Required(options, "--dir"));
    return EmulatorCommand(EmulatorInit{.directory = std::move(directory)});
  }
  if (command == "launch") return ParseLaunch(rest);
  return Usage("unknown command '" + command + "'");
}

}  // namespace locket::attest
