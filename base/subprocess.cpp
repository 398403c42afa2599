#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/encoding.h"
#include "base/file.h"
#include "base/no_sigpipe.h"
#include "base/unique_fd.h"

namespace locket {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto name = text.substr(0, text.find('=') + 1);
    const auto same = [&](const std::string& other) { return other.starts_with(name); };
    if (std::none_of(added.begin(), added.end(), same)) all.emplace_back(text);
  }
  all.insert(all.end(), added.begin(), added.end());
  return all;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

  void Give(int from, int to) {
    if (from >= 0) {
      ::posix_spawn_file_actions_adddup2(&actions_, from, to);
    } else if (to != STDERR_FILENO) {
      ::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDWR, 0);
    }
  }
  // Given to its own number, a descriptor loses its FD_CLOEXEC in the child alone.
  void Keep(int fd) { ::posix_spawn_file_actions_adddup2(&actions_, fd, fd); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// The child starts with default signal actions and nothing blocked, whatever our threads block.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t set;
    ::sigfillset(&set);
    ::posix_spawnattr_setsigdefault(&attributes_, &set);
    ::sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

int ShellStatus(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "create pipe");
  return Pipe{.read = UniqueFd(fds[0]), .write = UniqueFd(fds[1])};
}

int MillisecondsUntil(steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1'000'000'000));
}

// Moves bytes between us and the child until it has closed both of its streams.
class Exchange {
 public:
  Exchange(UniqueFd to_child, UniqueFd out, UniqueFd err, const RunOptions& options)
      : to_child_(std::move(to_child)), from_{std::move(out), std::move(err)}, options_(options) {}

  Status Run(steady_clock::time_point deadline) {
    if (options_.input.empty()) to_child_.reset();
    while (from_[0].valid() || from_[1].valid()) {
      std::array<pollfd, 3> fds{pollfd{from_[0].get(), POLLIN, 0},
                                pollfd{from_[1].get(), POLLIN, 0},
                                pollfd{to_child_.get(), POLLOUT, 0}};
      const int ready = ::poll(fds.data(), fds.size(), MillisecondsUntil(deadline));
      if (ready < 0 && errno != EINTR) return Error::FromErrno(errno, "poll");
      if (ready == 0) return Error(ErrorCode::kDeadlineExceeded, "no answer in time");
      if (ready < 0) continue;
      for (size_t i = 0; i < 2; ++i) {
        if (fds[i].revents != 0) LOCKET_TRY(Take(i));
      }
      if (fds[2].revents != 0) Give();
    }
    return Ok();
  }

  std::array<std::string, 2> text;

 private:
  Status Take(size_t i) {
    std::array<char, 16384> buffer;
    const ssize_t n = ::read(from_[i].get(), buffer.data(), buffer.size());
    if (n <= 0) {
      from_[i].reset();
      return Ok();
    }
    text[i].append(buffer.data(), static_cast<size_t>(n));
    if (text[i].size() <= options_.max_output_bytes) return Ok();
    return Error(ErrorCode::kResourceExhausted, "printed too much");
  }

  void Give() {
    const auto rest = std::string_view(options_.input).substr(given_);
    const NoSigpipe no_sigpipe;
    const ssize_t n = ::write(to_child_.get(), rest.data(), rest.size());
    if (n > 0) given_ += static_cast<size_t>(n);
    // A child that stops reading (EPIPE) may still answer; that is its business.
    if (n < 0 || given_ == options_.input.size()) to_child_.reset();
  }

  UniqueFd to_child_;
  std::array<UniqueFd, 2> from_;
  const RunOptions& options_;
  size_t given_ = 0;
};

// What a forked child tells its parent when it cannot become the program.
struct ForkFailure {
  int error;
  const char* doing;  // of the text of this program, which parent and child share
};

// Between fork and exec: system calls only. posix_spawn cannot enter a cgroup before glibc 2.39.
class ForkedChild {
 public:
  ForkedChild(const SpawnOptions& options, std::string oom_score_adj, int report_fd)
      : options_(options), oom_score_adj_(std::move(oom_score_adj)), report_fd_(report_fd) {}

  [[noreturn]] void Become(char* const* argv, char* const* environment) const {
    for (const int fd : options_.cgroup_fds) {
      if (::write(fd, "0", 1) != 1) Fail("enter its cgroup");  // 0: whoever writes
    }
    AdjustOomScore();
    for (int signal = 1; signal < NSIG; ++signal) (void)::signal(signal, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
    Give(options_.stdin_fd, STDIN_FILENO);
    Give(options_.stdout_fd, STDOUT_FILENO);
    Give(options_.stderr_fd, STDERR_FILENO);
    for (const int fd : options_.inherited_fds) {
      if (::fcntl(fd, F_SETFD, 0) != 0) Fail("exec");
    }
    ::execvpe(argv[0], argv, environment);
    Fail("exec");
  }

 private:
  void Give(int from, int to) const {
    if (from < 0 && to == STDERR_FILENO) return;
    if (from < 0) from = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    // dup2 to its own number would leave FD_CLOEXEC as it is.
    const int given = from == to ? ::fcntl(to, F_SETFD, 0) : ::dup2(from, to);
    if (from < 0 || given < 0) Fail("exec");
  }
  void AdjustOomScore() const {
    if (oom_score_adj_.empty()) return;
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    const auto size = static_cast<ssize_t>(oom_score_adj_.size());
    if (file < 0 || ::write(file, oom_score_adj_.data(), oom_score_adj_.size()) != size) {
      Fail("set its oom_score_adj");
    }
    ::close(file);
  }
  [[noreturn]] void Fail(const char* doing) const {
    const ForkFailure failure{.error = errno, .doing = doing};
    [[maybe_unused]] const ssize_t told = ::write(report_fd_, &failure, sizeof failure);
    ::_exit(127);
  }

  const SpawnOptions& options_;
  const std::string oom_score_adj_;  // made before the fork; empty: none
  const int report_fd_;
};

Result<pid_t> ForkWith(char* const* argv, char* const* environment, const SpawnOptions& options) {
  LOCKET_TRY_ASSIGN(auto report, MakePipe());
  const ForkedChild child(
      options, options.oom_score_adj ? std::to_string(*options.oom_score_adj) : std::string(),
      report.write.get());
  const pid_t pid = ::fork();
  if (pid < 0) return Error::FromErrno(errno, "fork");
  if (pid == 0) child.Become(argv, environment);
  report.write.reset();
  ForkFailure failure{};
  ssize_t got = 0;
  while ((got = ::read(report.read.get(), &failure, sizeof failure)) < 0 && errno == EINTR) {
  }
  if (got == 0) return pid;  // closed by exec
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return Error::FromErrno(failure.error, failure.doing);
}

}  // namespace

Result<Subprocess> Subprocess::Start(const std::vector<std::string>& argv,
                                     const SpawnOptions& options) {
  if (argv.empty()) return Error(ErrorCode::kInvalidArgument, "start program: no name given");
  auto arguments = argv;
  auto environment = Environment(options.environment);
  const auto argument_pointers = Pointers(arguments);
  const auto environment_pointers = Pointers(environment);
  if (!options.cgroup_fds.empty() || options.oom_score_adj) {
    LOCKET_TRY_ASSIGN(const pid_t pid,
                      ForkWith(argument_pointers.data(), environment_pointers.data(), options)
                          .While("start '" + argv[0] + "'"));
    return Subprocess(pid);
  }
  FileActions actions;
  actions.Give(options.stdin_fd, STDIN_FILENO);
  actions.Give(options.stdout_fd, STDOUT_FILENO);
  actions.Give(options.stderr_fd, STDERR_FILENO);
  for (const int fd : options.inherited_fds) actions.Keep(fd);
  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0].c_str(), actions.get(), attributes.get(),
                                    argument_pointers.data(), environment_pointers.data());
  if (failed != 0) return Error::FromErrno(failed, "start '" + argv[0] + "'");
  return Subprocess(pid);
}

Subprocess::~Subprocess() {
  if (pid_ <= 0) return;
  (void)Kill(SIGKILL);
  (void)Wait();
}

Status Subprocess::Kill(int signal) const {
  if (pid_ <= 0 || ::kill(pid_, signal) == 0 || errno == ESRCH) return Ok();
  return Error::FromErrno(errno, "signal process " + std::to_string(pid_));
}

Result<int> Subprocess::Wait(std::optional<milliseconds> timeout) {
  if (pid_ <= 0) return Error(ErrorCode::kFailedPrecondition, "wait: no process");
  if (timeout) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd.valid()) return Error::FromErrno(errno, "open pidfd");
    pollfd waiting{pidfd.get(), POLLIN, 0};
    const auto deadline = steady_clock::now() + *timeout;
    int ready = 0;
    do {
      ready = ::poll(&waiting, 1, MillisecondsUntil(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) return Error(ErrorCode::kDeadlineExceeded, "wait: still running");
  }
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) {
    if (errno == EINTR) continue;
    pid_ = -1;  // Somebody else reaped it (ECHILD): there is nothing left to own.
    return Error::FromErrno(errno, "wait for process");
  }
  pid_ = -1;
  return ShellStatus(info);
}

Result<CommandOutput> RunCommand(const std::vector<std::string>& argv, const RunOptions& options) {
  const auto deadline = steady_clock::now() + options.timeout;
  LOCKET_TRY_ASSIGN(auto in, MakePipe());
  LOCKET_TRY_ASSIGN(auto out, MakePipe());
  LOCKET_TRY_ASSIGN(auto err, MakePipe());
  LOCKET_TRY_ASSIGN(auto child, Subprocess::Start(argv, {.stdin_fd = in.read.get(),
                                                         .stdout_fd = out.write.get(),
                                                         .stderr_fd = err.write.get()}));
  in.read.reset();
  out.write.reset();
  err.write.reset();
  if (::fcntl(in.write.get(), F_SETFL, O_NONBLOCK) != 0) return Error::FromErrno(errno, "fcntl");
  Exchange exchange(std::move(in.write), std::move(out.read), std::move(err.read), options);
  LOCKET_TRY(exchange.Run(deadline).While("run '" + argv[0] + "'"));
  LOCKET_TRY_ASSIGN(
      const int status,
      child.Wait(milliseconds(MillisecondsUntil(deadline))).While("run '" + argv[0] + "'"));
  return CommandOutput{.exit_status = status,
                       .standard_output = std::move(exchange.text[0]),
                       .standard_error = std::move(exchange.text[1])};
}

}  // namespace locket
