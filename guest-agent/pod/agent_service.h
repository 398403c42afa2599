// The ttrpc service locket.agent.v1.Agent (proto/agent.proto): checks the sizes in the shim's
// requests and translates them to calls of a Sandbox. A failed call is logged here, and its error
// goes to the shim.
#pragma once

#include <functional>

#include "guest-agent/pod/sandbox.h"
#include "rpc/ttrpc_server.h"

namespace locket::guest_agent {

// Adds the service's methods to `methods`. They run on the server's threads, several at a time.
// `shutdown` is called when the shim has called Shutdown and all containers are deleted; it must
// not wait for the answer to that call. All arguments outlive the server that uses `methods`.
void AddAgentMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox,
                     const std::function<void()>& shutdown);

}  // namespace locket::guest_agent
