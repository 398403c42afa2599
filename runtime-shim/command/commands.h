// The shim's three commands: `start`, `delete`, and the daemon between them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/config/command_line.h"
#include "runtime-shim/config/config.h"

namespace locket::runtime_shim {

// The descriptor on which a daemon finds its listening socket.
inline constexpr int kListenFd = 3;

// Starts the daemon: our own program with `arguments`, the socket as kListenFd, a session of its
// own, and nothing of our standard streams, which containerd reads to their end.
using SpawnDaemon =
    std::function<Status(const std::vector<std::string>& arguments, UniqueFd listening_socket)>;
Status SpawnSelf(const std::vector<std::string>& arguments, UniqueFd listening_socket);

// The configuration that the runtime options (a serialised Any, from standard input) name, else the
// default one's path. kInvalidArgument: they are not runtimeoptions.v1.Options.
Result<std::filesystem::path> ConfigPathFromOptions(std::string_view options);

// `unix://<socket_dir>/<hash>`, or `unix://<state_dir>/s/<hash>` if the line has no socket_dir: the
// same for all containers of a pod.
std::string SocketAddress(const Config& config, const CommandLine& line, const std::string& pod_id);

// Begins to serve the pod of `line`, or joins the shim that does. Writes the bundle's `address`
// file and returns what to print. `input`: what containerd wrote on standard input.
Result<std::string> RunStart(const CommandLine& line, std::string_view input,
                             const SpawnDaemon& spawn);

// Ends what a dead shim left behind for the ID. A serialised DeleteResponse. Succeeds when there is
// nothing; a container's ID has nothing, as its pod's VM is not its own.
Result<std::string> RunDelete(const CommandLine& line);

// A serialised RuntimeInfo. kInvalidArgument: options that `start` would refuse, too.
Result<std::string> RunInfo(std::string_view options);

// Serves until containerd or a signal ends the shim.
Status RunServe(const CommandLine& line, const std::string& events_address);

}  // namespace locket::runtime_shim
