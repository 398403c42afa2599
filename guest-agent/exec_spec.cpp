#include "guest-agent/exec_spec.h"

#include <algorithm>

namespace locket::guest_agent {
namespace {

Status CheckExecCommand(const HostSpec& host, const SpecPolicy& policy) {
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

Result<GuestSpec> ApplyExecPolicy(const GuestSpec& container, const HostSpec& host,
                                  const SpecPolicy& policy) {
  LOCKET_TRY(CheckExecCommand(host, policy));
  GuestSpec spec = container;
  spec.process.argv = host.args;
  spec.terminal = host.terminal;
  spec.no_new_privileges |= host.no_new_privileges;
  // What is not allowed is what the container was made without, each time again: nobody is told.
  MergeEnvironment(host, policy, spec);
  spec.dropped.clear();
  AddDefaultVariables(spec);
  std::erase_if(spec.capabilities, [&](const std::string& one) {
    return std::find(host.capabilities.begin(), host.capabilities.end(), one) ==
           host.capabilities.end();
  });
  return spec;
}

}  // namespace locket::guest_agent
