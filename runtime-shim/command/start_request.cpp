#include "runtime-shim/command/start_request.h"

#include <optional>

#include "proto/bootstrap.pb.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::containerd::runtime::bootstrap::v1;

constexpr std::string_view kOptionsType = "runtimeoptions.v1.Options";
// Halfway between DEBUG (-4) and INFO (0).
constexpr int kDebugBelow = -2;
constexpr int kTaskApi = 2;

Error Bad(const std::string& why) {
  return {ErrorCode::kInvalidArgument, "containerd's message on standard input " + why};
}

// Nothing: not such a message, or not one that could be meant for anybody.
std::optional<v1::BootstrapParams> ParseParams(std::string_view input) {
  v1::BootstrapParams params;
  if (!params.ParseFromArray(input.data(), static_cast<int>(input.size()))) return std::nullopt;
  if (!IsIdentifier(params.instance_id()) || !IsIdentifier(params.namespace_())) {
    return std::nullopt;
  }
  return params;
}

bool IsOptions(std::string_view type) { return type.ends_with(kOptionsType); }

// The runtime options among the extensions. Those of kinds we do not know are for others.
Result<std::string> OptionsOf(const v1::BootstrapParams& params) {
  std::string found;
  for (const auto& extension : params.extensions()) {
    const std::string& type = extension.value().type_url();
    if (!IsOptions(type)) {
      if (type.ends_with(".Options")) return Bad("has options of another runtime, '" + type + "'");
      continue;
    }
    if (!found.empty()) return Bad("has two runtime options");
    found = extension.value().SerializeAsString();
  }
  return found;
}

// Takes over what the message says and leaves what it is silent about.
void Take(std::string* to, const std::string& from) {
  if (!from.empty()) *to = from;
}

Result<StartRequest> FromMessage(CommandLine line, const v1::BootstrapParams& params) {
  StartRequest out{.line = std::move(line), .by_message = true};
  out.line.id = params.instance_id();
  out.line.namespace_name = params.namespace_();
  out.line.debug = params.log_level() < kDebugBelow;
  Take(&out.line.containerd_address, params.containerd_grpc_address());
  Take(&out.line.containerd_ttrpc_address, params.containerd_ttrpc_address());
  Take(&out.line.publish_binary, params.containerd_binary());
  if (!params.socket_dir().empty()) out.line.socket_dir = params.socket_dir();
  if (!out.line.socket_dir.empty() && !out.line.socket_dir.is_absolute()) {
    return Bad("has a socket_dir that is not an absolute path");
  }
  LOCKET_TRY_ASSIGN(out.options, OptionsOf(params));
  return out;
}

}  // namespace

Result<StartRequest> DecodeStartRequest(const CommandLine& line, std::string_view input) {
  if (input.size() > kMaxStartInput) return Bad("is longer than 1 MiB");
  const bool no_flags = line.id.empty() && line.namespace_name.empty();
  const auto params = ParseParams(input);
  const bool same =
      params && params->instance_id() == line.id && params->namespace_() == line.namespace_name;
  if (params && (same || no_flags)) return FromMessage(line, *params);
  LOCKET_TRY(CheckIdentity(line));
  if (input.empty()) return StartRequest{.line = line};
  v1::AnyBytes any;
  if (any.ParseFromArray(input.data(), static_cast<int>(input.size())) &&
      IsOptions(any.type_url())) {
    return StartRequest{.line = line, .options = std::string(input)};
  }
  if (params) {
    return Bad("is about '" + params->instance_id() + "' in namespace '" + params->namespace_() +
               "', and the flags about '" + line.id + "' in '" + line.namespace_name + "'");
  }
  return Bad(
      "is neither BootstrapParams nor runtimeoptions.v1.Options: in containerd's configuration, "
      "give this runtime's options only ConfigPath");
}

std::string EncodeStartAnswer(const StartRequest& request, const std::string& address) {
  if (!request.by_message) return address;
  v1::BootstrapResult result;
  result.set_version(kTaskApi);
  result.set_address(address);
  result.set_protocol("ttrpc");
  return result.SerializeAsString();
}

}  // namespace locket::runtime_shim
