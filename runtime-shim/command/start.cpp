#include <fcntl.h>
#include <google/protobuf/any.pb.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"
#include "proto/runtime_options.pb.h"
#include "rpc/transport.h"
#include "runtime-shim/command/commands.h"
#include "runtime-shim/command/start_request.h"
#include "runtime-shim/hypervisor/process_record.h"
#include "runtime-shim/task/bundle.h"
#include "verity/sha256.h"

namespace locket::runtime_shim {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kScheme = "unix://";
constexpr size_t kSocketNameDigits = 32;
constexpr milliseconds kLeftoverGrace{500};

std::filesystem::path SocketPath(const std::string& address) {
  return address.substr(kScheme.size());
}

std::filesystem::path BundleOf(const CommandLine& line) {
  std::error_code failed;
  return line.bundle.empty() ? std::filesystem::current_path(failed) : line.bundle;
}

// Private if it is made here. One that was there keeps its mode: it may hold more than sockets,
// and a socket is its owner's alone.
Status MakeSocketDirectory(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory.parent_path(), failed);
  if (failed) {
    return Error::FromErrno(failed.value(), "make '" + directory.parent_path().string() + "'");
  }
  if (::mkdir(directory.c_str(), 0700) == 0) return Ok();
  const int cause = errno;
  if (cause == EEXIST && std::filesystem::is_directory(directory, failed)) return Ok();
  return Error::FromErrno(cause, "make '" + directory.string() + "'");
}

std::vector<std::string> DaemonArguments(const CommandLine& line,
                                         const std::filesystem::path& config,
                                         const std::filesystem::path& bundle) {
  std::vector<std::string> arguments{"-namespace",   line.namespace_name, "-id",
                                     line.id,        "-address",          line.containerd_address,
                                     "-bundle",      bundle.string(),     "-config",
                                     config.string()};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {flag, value});
  };
  add("-ttrpc-address", line.containerd_ttrpc_address);
  add("-socket-dir", line.socket_dir.string());
  if (line.debug) arguments.emplace_back("-debug");
  arguments.emplace_back("serve");
  return arguments;
}

[[noreturn]] void BecomeDaemon(char* const* argv, int socket) {
  (void)::setsid();
  const int null = ::open("/dev/null", O_RDWR);
  // dup2 clears FD_CLOEXEC, but not when both numbers are the same.
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0 || ::dup2(null, STDOUT_FILENO) < 0 ||
      ::dup2(null, STDERR_FILENO) < 0 ||
      (socket == kListenFd ? ::fcntl(socket, F_SETFD, 0) : ::dup2(socket, kListenFd)) < 0) {
    ::_exit(127);
  }
  ::execv("/proc/self/exe", argv);
  ::_exit(127);
}

}  // namespace

Status SpawnSelf(const std::vector<std::string>& arguments, UniqueFd listening_socket) {
  std::vector<std::string> owned{"containerd-shim-locket-v2"};
  owned.insert(owned.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : owned) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // `start` has one thread, so the child may do more than exec; the parent's end makes the daemon
  // somebody else's child.
  const pid_t pid = ::fork();
  if (pid < 0) return Error::FromErrno(errno, "start the shim's daemon");
  if (pid == 0) BecomeDaemon(argv.data(), listening_socket.get());
  return Ok();
}

Result<std::filesystem::path> ConfigPathFromOptions(std::string_view options) {
  const std::filesystem::path fallback(kDefaultConfigPath);
  if (options.empty()) return fallback;
  google::protobuf::Any any;
  runtimeoptions::v1::Options parsed;
  constexpr std::string_view kType = "runtimeoptions.v1.Options";
  if (!any.ParseFromArray(options.data(), static_cast<int>(options.size())) ||
      !any.type_url().ends_with(kType) || !parsed.ParseFromString(any.value())) {
    return Error(
        ErrorCode::kInvalidArgument,
        "runtime options are not runtimeoptions.v1.Options: in containerd's configuration, "
        "give this runtime's options only ConfigPath");
  }
  if (parsed.config_path().empty()) return fallback;
  return std::filesystem::path(parsed.config_path());
}

std::string SocketAddress(const Config& config, const CommandLine& line,
                          const std::string& pod_id) {
  const std::string who = line.containerd_address + "/" + line.namespace_name + "/" + pod_id;
  const std::string name = HexEncode(verity::Sha256Of(AsBytes(who))).substr(0, kSocketNameDigits);
  const auto directory = line.socket_dir.empty() ? config.state_dir / "s" : line.socket_dir;
  return std::string(kScheme) + (directory / name).string();
}

namespace {

// The address of the pod's shim, which runs already.
Result<std::string> JoinShim(const Config& config, CommandLine line, const std::string& pod_id) {
  std::string address = SocketAddress(config, line, pod_id);
  auto connected = rpc::ConnectUnix(SocketPath(address));
  if (!connected.ok() && !line.socket_dir.empty()) {
    // The pod may be older than the containerd that wants its sockets elsewhere.
    line.socket_dir.clear();
    address = SocketAddress(config, line, pod_id);
    connected = rpc::ConnectUnix(SocketPath(address));
  }
  if (connected.ok()) return address;
  return Error(ErrorCode::kFailedPrecondition,
               "pod '" + pod_id + "' has no shim any more, so its VM is gone: " +
                   connected.error().message() + "; the pod has to be created anew");
}

// The address of a shim for the pod, started unless it runs already.
Result<std::string> BeginShim(const Config& config, const CommandLine& line,
                              const std::filesystem::path& config_path,
                              const std::filesystem::path& bundle, const SpawnDaemon& spawn) {
  const std::string address = SocketAddress(config, line, line.id);
  LOCKET_TRY(MakeSocketDirectory(SocketPath(address).parent_path()));
  auto socket = rpc::ListenUnix(SocketPath(address));
  if (!socket.ok() && socket.error().code() == ErrorCode::kAlreadyExists) return address;
  if (!socket.ok()) return socket.error();
  const auto state = config.state_dir / line.id;
  LOCKET_TRY(RemoveSandboxState(state, kLeftoverGrace));
  LOCKET_TRY(ReplaceFileDurably(bundle / "locket-state-dir", state.string()));
  LOCKET_TRY(spawn(DaemonArguments(line, config_path, bundle), std::move(socket).value()));
  return address;
}

}  // namespace

Result<std::string> RunStart(const CommandLine& given, std::string_view input,
                             const SpawnDaemon& spawn) {
  LOCKET_TRY_ASSIGN(const auto request, DecodeStartRequest(given, input));
  const CommandLine& line = request.line;
  const auto bundle = BundleOf(line);
  LOCKET_TRY_ASSIGN(const auto config_path, ConfigPathFromOptions(request.options));
  LOCKET_TRY_ASSIGN(const auto config, LoadConfig(config_path));
  LOCKET_TRY_ASSIGN(const auto config_json, ReadBundleConfig(bundle));
  LOCKET_TRY_ASSIGN(const auto spec, ParseBundleSpec(config_json));
  LOCKET_TRY_ASSIGN(const std::string address,
                    spec.kind == ContainerKind::kContainer
                        ? JoinShim(config, line, spec.sandbox_id)
                        : BeginShim(config, line, config_path, bundle, spawn));
  LOCKET_TRY(ReplaceFileDurably(bundle / "address", address));
  return EncodeStartAnswer(request, address);
}

}  // namespace locket::runtime_shim
