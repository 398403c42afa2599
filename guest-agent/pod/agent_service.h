// locket.agent.v1.Agent (proto/agent.proto) on top of Sandbox.
#pragma once

#include <functional>
#include <string>

#include "guest-agent/pod/sandbox.h"
#include "rpc/ttrpc_server.h"

namespace locket::guest_agent {

struct AgentInfo {
  std::string tee;              // "emulated" or "none"
  std::string initdata_digest;  // empty without initdata
};

// Adds the service's methods. `shutdown` is called once all containers are gone and must not wait
// for the call's own answer. All arguments outlive `methods`.
void AddAgentMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox, const AgentInfo& info,
                     const std::function<void()>& shutdown);

}  // namespace locket::guest_agent
