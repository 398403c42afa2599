#include "guest-agent/crun_runtime.h"

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;

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

Result<std::string> CrunRuntime::Run(const std::string& id,
                                     const std::vector<std::string>& arguments) {
  const auto log = LogPath(paths_, id);
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
  LOCKET_TRY_ASSIGN(
      auto output,
      RunCommand(CrunCommand(paths_, log, arguments), {.timeout = kTimeout}).While("crun"));
  if (output.exit_status != 0) return CrunError(log, arguments.front(), output.exit_status);
  return std::move(output.standard_output);
}

Result<pid_t> CrunRuntime::Create(const CreateOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(paths_.state, error);
  if (error) return Error::FromErrno(error.value(), "make '" + paths_.state.string() + "'");
  const auto log = LogPath(paths_, options.id);
  std::filesystem::remove(log, error);
  const auto pid_file = options.bundle / "pid";
  LOCKET_TRY_ASSIGN(auto crun,
                    Subprocess::Start(CrunCommand(paths_, log,
                                                  {"create", "--bundle", options.bundle.string(),
                                                   "--pid-file", pid_file.string(), options.id}),
                                      {.stdin_fd = options.stdin_fd,
                                       .stdout_fd = options.stdout_fd,
                                       .stderr_fd = options.stderr_fd}));
  auto status = crun.Wait(kTimeout);
  if (status.ok() && *status == 0) return ReadPid(pid_file);
  Error why = status.ok() ? CrunError(log, "create", *status)
                          : std::move(status).error().While("crun create");
  (void)Delete(options.id);  // what it had made before it failed
  return why;
}

Status CrunRuntime::Start(const std::string& id) {
  LOCKET_TRY(Run(id, {"start", id}));
  return Ok();
}

Status CrunRuntime::Kill(const std::string& id, int signal, bool all) {
  std::vector<std::string> arguments = {"kill"};
  if (all) arguments.emplace_back("--all");
  arguments.push_back(id);
  arguments.push_back(std::to_string(signal));
  LOCKET_TRY(Run(id, arguments));
  return Ok();
}

Result<std::vector<pid_t>> CrunRuntime::Processes(const std::string& id) {
  LOCKET_TRY_ASSIGN(const std::string text, Run(id, {"ps", "--format", "json", id}));
  const Json list = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return Error(ErrorCode::kInternal, "crun ps: not a list");
  std::vector<pid_t> pids;
  for (const Json& pid : list) {
    if (pid.is_number_integer()) pids.push_back(pid.get<pid_t>());
  }
  return pids;
}

Status CrunRuntime::Delete(const std::string& id) {
  const auto deleted = Run(id, {"delete", "--force", id});
  if (!deleted.ok() && deleted.error().code() != ErrorCode::kNotFound) return deleted.error();
  std::error_code ignored;
  std::filesystem::remove(LogPath(paths_, id), ignored);
  return Ok();
}

}  // namespace locket::guest_agent
