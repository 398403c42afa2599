// The pod's network as a message to the agent.
#pragma once

#include "proto/agent.pb.h"
#include "runtime-shim/host/pod_network.h"
#include "runtime-shim/host/resolv_conf.h"

namespace locket::runtime_shim {

// Returns `network` and `dns` in the form of proto/agent.proto. The taps are not part of it.
agent::v1::Network NetworkMessage(const PodNetwork& network, const DnsConfig& dns);

}  // namespace locket::runtime_shim
