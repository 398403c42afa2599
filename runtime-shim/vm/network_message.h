// The pod's network as the agent is told of it.
#pragma once

#include "proto/agent.pb.h"
#include "runtime-shim/host/pod_network.h"
#include "runtime-shim/host/resolv_conf.h"

namespace locket::runtime_shim {

agent::v1::Network NetworkMessage(const PodNetwork& network, const DnsConfig& dns);

}  // namespace locket::runtime_shim
