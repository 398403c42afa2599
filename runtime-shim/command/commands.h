// What containerd runs the shim's program for (runtime v2).
//
// For each container containerd runs `start`, which exits at once. For a pod's sandbox `start`
// leaves a daemon behind, `serve`, and prints the address of its socket; for a container of the pod
// it prints the same address. containerd then speaks ttrpc with the daemon (task_service.h) until
// the last container is deleted and the daemon ends. containerd runs `delete` for each container
// whose shim does not answer, to have the rest cleaned up. `info` says what runtime this is.
//
// Errors are printed by main on standard error, where containerd reads them.
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

// The descriptor on which the daemon finds its listening socket.
inline constexpr int kListenFd = 3;

// Starts the daemon: this program again with `arguments`, the socket as descriptor kListenFd, and a
// session of its own. It has none of this process's standard streams: containerd reads them to
// their end. Returns once the daemon is forked.
using SpawnDaemon =
    std::function<Status(const std::vector<std::string>& arguments, UniqueFd listening_socket)>;
Status SpawnSelf(const std::vector<std::string>& arguments, UniqueFd listening_socket);

// Returns the path of the configuration that the runtime options name, or kDefaultConfigPath if
// they name none. `options`: a serialised google.protobuf.Any, as containerd passes it; empty:
// none. kInvalidArgument: they are not runtimeoptions.v1.Options.
Result<std::filesystem::path> ConfigPathFromOptions(std::string_view options);

// Returns the address of a pod's shim, which is the same for all containers of the pod:
// `unix://<socket_dir>/<hash>`, or `unix://<state_dir>/s/<hash>` if `line` has no socket_dir.
std::string SocketAddress(const Config& config, const CommandLine& line, const std::string& pod_id);

// Runs `start`: makes sure that a shim serves the pod of `line`, and writes its address into the
// bundle's file `address`. `input`: what containerd wrote on standard input. Returns what to print.
// kFailedPrecondition: a container whose pod's shim is gone; the pod has to be made again.
// kInvalidArgument, kNotFound: the message names what is wrong with the call, the bundle or the
// configuration. On failure a daemon that was started before stays.
Result<std::string> RunStart(const CommandLine& line, std::string_view input,
                             const SpawnDaemon& spawn);

// Runs `delete`: ends what a shim that died left behind for the ID of `line`, which is a VM, its
// processes, cgroups and state directory if the ID is a pod's, and nothing if it is a container's.
// Returns what to print, a serialised DeleteResponse. Succeeds when there is nothing.
Result<std::string> RunDelete(const CommandLine& line);

// Runs `info`. Returns what to print, a serialised RuntimeInfo. kInvalidArgument: the options are
// those of another runtime, so `start` would refuse them, too.
Result<std::string> RunInfo(std::string_view options);

// Runs `serve`, the daemon: serves the pod of `line` on descriptor kListenFd until containerd asks
// it to end, or SIGTERM or SIGINT comes. The pod's VM ends with it at the latest. `events_address`:
// where task events go (events.h); empty: nowhere.
Status RunServe(const CommandLine& line, const std::string& events_address);

}  // namespace locket::runtime_shim
