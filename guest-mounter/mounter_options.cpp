#include "guest-mounter/mounter_options.h"

#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {
namespace {

Error Wrong(const std::string& what) {
  return {ErrorCode::kInvalidArgument, what + "; see --help"};
}

Status AddKey(const std::string& value, MounterOptions& options) {
  const auto equals = value.find('=');
  if (equals == std::string::npos) return Wrong("--key takes ID=FILE");
  LOCKET_TRY_ASSIGN(const auto id, ResourceName::FromUri(value.substr(0, equals)));
  options.keys[id.ToUri()] = value.substr(equals + 1);
  return Ok();
}

}  // namespace

Result<MounterOptions> ParseMounterOptions(const std::vector<std::string>& arguments) {
  MounterOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& option = arguments[i];
    if (option == "--help" || option == "--version") {
      (option == "--help" ? options.help : options.version) = true;
      return options;
    }
    const bool known = option == "--manifest" || option == "--config" || option == "--key" ||
                       option == "--directory";
    if (!known) return Wrong("unknown option '" + option + "'");
    if (++i == arguments.size()) return Wrong(option + " takes a value");
    if (option == "--manifest") options.manifest = arguments[i];
    if (option == "--config") options.config = arguments[i];
    if (option == "--directory") options.directory = arguments[i];
    if (option == "--key") LOCKET_TRY(AddKey(arguments[i], options));
  }
  if (options.manifest.empty() || options.config.empty()) {
    return Wrong("--manifest and --config are needed");
  }
  return options;
}

}  // namespace locket::guest_mounter
