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

// Connects when it is first used, and again after containerd was restarted.
std::shared_ptr<grpc::Channel> ConnectToContainerd(const std::filesystem::path& socket);

// It answers from its database: a call that takes longer gets no answer. A container's start waits
// for it, and the kubelet for that.
inline constexpr std::chrono::milliseconds kContainerdPatience{10'000};

// Over a connection of its own. Its errors name the socket.
std::unique_ptr<Containerd> MakeContainerdClient(
    const std::filesystem::path& socket, std::chrono::milliseconds patience = kContainerdPatience);

}  // namespace locket::snapshotter
