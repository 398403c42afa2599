#include "guest-agent/policy/exec_request.h"

#include <algorithm>

namespace locket::guest_agent {
namespace {

Status CheckExecCommand(const HostRequest& host, const SpecPolicy& policy) {
  if (host.args.empty()) {
    return Error(ErrorCode::kInvalidArgument, "the host gives no command to run");
  }
  const auto& allowed = policy.allow_exec;
  if (std::find(allowed.begin(), allowed.end(), host.args) != allowed.end()) return Ok();
  return Error(ErrorCode::kPermissionDenied,
               "exec of " + ShowCommand(host.args) +
                   " is not listed in initdata's [agent] allow_exec: a confidential guest runs "
                   "what its tenant allowed");
}

}  // namespace

Result<GuestConfig> ApplyExecPolicy(const GuestConfig& container, const HostRequest& host,
                                    const SpecPolicy& policy) {
  LOCKET_TRY(CheckExecCommand(host, policy));
  GuestConfig config = container;
  config.process.argv = host.args;
  config.terminal = host.terminal;
  config.no_new_privileges |= host.no_new_privileges;
  // What is not allowed is what the container was made without, each time again: nobody is told.
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
