// containerd's own socket, as gRPC.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "snapshotter/containerd/containerd.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace locket::snapshotter {

// Returns a channel that connects when it is first used, and again after containerd was restarted.
std::shared_ptr<grpc::Channel> ConnectToContainerd(const std::filesystem::path& socket);

// How long a call may take. containerd answers from its database, so a call that takes longer gets
// no answer; a container's start waits for it, and the kubelet for that.
inline constexpr std::chrono::milliseconds kContainerdPatience{10'000};

// Returns a client with a connection of its own. Its errors name the socket. `patience` bounds each
// call.
std::unique_ptr<Containerd> MakeContainerdClient(
    const std::filesystem::path& socket, std::chrono::milliseconds patience = kContainerdPatience);

}  // namespace locket::snapshotter
