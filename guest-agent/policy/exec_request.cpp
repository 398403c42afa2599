#include "guest-agent/policy/exec_request.h"

#include <algorithm>

namespace locket::guest_agent {
namespace {

Status CheckExecCommand(const HostRequest& host, const initdata::GuestPolicy& policy) {
  if (host.args.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the host gives no command to run");
  }
  const auto& allowed = policy.every_image.allow_exec;
  if (std::find(allowed.begin(), allowed.end(), host.args) != allowed.end()) return Ok();
  return Error(ErrorCode::kPermissionDenied,
               "exec of " + ShowCommand(host.args) +
                   " is not listed in initdata's [agent] allow_exec: a confidential guest runs "
                   "what its tenant allowed");
}

}  // namespace

Result<GuestConfig> ApplyExecPolicy(const GuestConfig& container, const HostRequest& host,
                                    const initdata::GuestPolicy& policy) {
  LOCKET_TRY(CheckExecCommand(host, policy));
  GuestConfig config = container;
  config.process.argv = host.args;
  config.terminal = host.terminal;
  config.no_new_privileges |= host.no_new_privileges;
  // Variables that are not allowed are not named again: they were when the container was created.
  MergeEnvironment(host, policy, config);
  config.dropped.clear();
  AddDefaultVariables(config);
  std::erase_if(config.capabilities, [&](const std::string& one) {
    return std::find(host.capabilities.begin(), host.capabilities.end(), one) ==
           host.capabilities.end();
  });
  return config;
}

}  // namespace locket::guest_agent
