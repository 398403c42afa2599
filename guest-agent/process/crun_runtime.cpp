#include "guest-agent/process/crun_runtime.h"

#include <signal.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <optional>

#include "base/file.h"
#include "base/subprocess.h"
#include "guest-agent/process/console_socket.h"
#include "guest-agent/process/oom.h"
#include "guest-agent/process/process_directory.h"

namespace locket::guest_agent {
namespace {

// Under TCG one crun call takes about a second.
constexpr auto kTimeout = std::chrono::seconds(60);
constexpr size_t kMaxLogBytes = 64 * 1024;
constexpr size_t kMaxPidBytes = 32;

std::string LastLine(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto newline = text.rfind('\n');
  return std::string(newline == std::string_view::npos ? text : text.substr(newline + 1));
}

// crun's own words, or its exit status when it had none.
Error CrunError(const std::filesystem::path& log, const std::string& verb, int status) {
  const auto text = ReadFile(log, kMaxLogBytes);
  std::string why = text.ok() ? LastLine(*text) : std::string();
  if (why.empty()) why = "exit status " + std::to_string(status);
  const bool absent = why.find("does not exist") != std::string::npos ||
                      why.find("No such process") != std::string::npos ||
                      why.find("/status`: No such file") != std::string::npos ||
                      why.find("not running") != std::string::npos;
  return {absent ? ErrorCode::kNotFound : ErrorCode::kInternal, "crun " + verb + ": " + why};
}

std::filesystem::path LogPath(const CrunPaths& paths, const std::string& id) {
  return paths.state / (id + ".log");
}

Result<pid_t> ReadPid(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(const std::string text, ReadFile(path, kMaxPidBytes));
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || pid <= 0) {
    return Error(ErrorCode::kInternal, "crun wrote no pid into '" + path.string() + "'");
  }
  return pid;
}

}  // namespace

std::vector<std::string> CrunCommand(const CrunPaths& paths, const std::filesystem::path& log,
                                     const std::vector<std::string>& verb_and_arguments) {
  std::vector<std::string> argv = {paths.program,
                                   "--root",
                                   paths.state.string(),
                                   "--log",
                                   log.string(),
                                   "--log-format=text",
                                   "--cgroup-manager=cgroupfs"};
  argv.insert(argv.end(), verb_and_arguments.begin(), verb_and_arguments.end());
  return argv;
}

Status CrunRuntime::Run(const std::string& id, const std::vector<std::string>& arguments) {
  const auto log = LogPath(paths_, id + "-" + std::to_string(next_log_++));
  const auto output = RunCommand(CrunCommand(paths_, log, arguments), {.timeout = kTimeout});
  Status done = Ok();
  if (!output.ok()) {
    done = Error(output.error()).While("crun");
  } else if (output->exit_status != 0) {
    done = CrunError(log, arguments.front(), output->exit_status);
  }
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  return done;
}

Result<StartedProcess> CrunRuntime::StartProcess(const Launch& launch,
                                                 const ProcessStreams& streams) {
  std::error_code error;
  std::filesystem::create_directories(paths_.state, error);
  if (error) return Error::FromErrno(error.value(), "make '" + paths_.state.string() + "'");
  std::filesystem::remove(launch.log, error);
  std::vector<std::string> arguments = {launch.verb, "--pid-file", launch.pid_file.string()};
  std::optional<ConsoleSocket> console;
  if (streams.terminal) {
    const std::string name = "console-" + std::to_string(next_console_++);
    LOCKET_TRY_ASSIGN(auto socket, ConsoleSocket::Listen(paths_.state / name));
    console.emplace(std::move(socket));
    arguments.insert(arguments.end(), {"--console-socket", console->path().string()});
  }
  arguments.insert(arguments.end(), launch.arguments.begin(), launch.arguments.end());
  LOCKET_TRY_ASSIGN(auto crun, Subprocess::Start(CrunCommand(paths_, launch.log, arguments),
                                                 {.stdin_fd = streams.stdin_fd,
                                                  .stdout_fd = streams.stdout_fd,
                                                  .stderr_fd = streams.stderr_fd,
                                                  // As crun passes on what it has, not the agent's.
                                                  .oom_score_adj = 0}));
  auto status = crun.Wait(kTimeout);
  if (!status.ok()) return std::move(status).error().While("crun " + launch.verb);
  if (*status != 0) return CrunError(launch.log, launch.verb, *status);
  LOCKET_TRY_ASSIGN(const pid_t pid, ReadPid(launch.pid_file));
  if (!console) return StartedProcess{.pid = pid};
  LOCKET_TRY_ASSIGN(UniqueFd terminal, console->Receive().While("crun " + launch.verb));
  return StartedProcess{.pid = pid, .terminal = std::move(terminal)};
}

Result<StartedProcess> CrunRuntime::Create(const CreateOptions& options) {
  auto started = StartProcess({.verb = "create",
                               .arguments = {"--bundle", options.bundle.string(), options.id},
                               .log = LogPath(paths_, options.id),
                               .pid_file = options.bundle / "pid"},
                              options.streams);
  if (started.ok()) {
    // It waits for Start by now, in its working directory.
    Status inside = CheckProcessDirectory(started->pid);
    if (!inside.ok()) started = std::move(inside).error();
  }
  if (!started.ok()) (void)Delete(options.id);  // what it had made before it failed
  return started;
}

Result<StartedProcess> CrunRuntime::Exec(const ExecOptions& options) {
  return StartProcess(
      {.verb = "exec",
       .arguments = {"--detach", "--process", (options.directory / kExecProcessFile).string(),
                     options.container_id},
       .log = options.directory / "log",
       .pid_file = options.directory / "pid"},
      options.streams);
}

// The number cannot be another process's: between its end and our notice of it would have to lie a
// whole round of pid numbers.
Status CrunRuntime::KillExec(const std::string& container_id, pid_t pid, int signal) {
  if (::kill(pid, signal) == 0) return Ok();
  const int saved_errno = errno;
  if (saved_errno == ESRCH) {
    return Error(ErrorCode::kNotFound, "the exec in '" + container_id + "' has ended");
  }
  return Error::FromErrno(saved_errno, "signal an exec in '" + container_id + "'");
}

Status CrunRuntime::Start(const std::string& id) { return Run(id, {"start", id}); }

Status CrunRuntime::Kill(const std::string& id, int signal, bool all) {
  std::vector<std::string> arguments = {"kill"};
  if (all) arguments.emplace_back("--all");
  arguments.push_back(id);
  arguments.push_back(std::to_string(signal));
  return Run(id, arguments);
}

Result<bool> CrunRuntime::OomKilled(const std::string& id) {
  LOCKET_TRY_ASSIGN(const uint64_t kills, ReadOomKills(paths_.cgroups / id));
  return kills > 0;
}

Status CrunRuntime::Delete(const std::string& id) {
  const auto deleted = Run(id, {"delete", "--force", id});
  if (!deleted.ok() && deleted.error().code() != ErrorCode::kNotFound) return deleted.error();
  std::error_code ignored;
  std::filesystem::remove(LogPath(paths_, id), ignored);
  return Ok();
}

}  // namespace locket::guest_agent
