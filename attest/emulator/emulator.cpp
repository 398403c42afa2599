#include "attest/emulator/emulator.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "attest/emulator/tee_frame.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace locket::attest {
namespace {

constexpr size_t kMaxClients = 4;  // QEMU needs one

// The listening socket, and its name for as long as we listen.
class Listener {
 public:
  static Result<Listener> Create(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) {
      return Error(ErrorCode::kInvalidArgument,
                   "socket '" + path.string() + "': the path is too long for a unix socket");
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return Error::FromErrno(errno, "make a socket");
    // What an earlier run left behind; anything but a socket stays and is an error below.
    struct stat old {};
    if (::lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) ::unlink(path.c_str());
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int saved_errno = errno;
    ::umask(mask);
    if (bound != 0) return Error::FromErrno(saved_errno, "bind socket '" + path.string() + "'");
    Listener listener(std::move(fd), path);
    if (::listen(listener.fd(), 4) != 0) return Error::FromErrno(errno, "listen");
    return listener;
  }

  Listener(Listener&& other) noexcept
      : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}
  Listener& operator=(Listener&&) = delete;
  ~Listener() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  int fd() const { return fd_.get(); }

 private:
  Listener(UniqueFd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::filesystem::path path_;  // empty once moved from
};

// QEMU's end of the port. Requests arrive in any pieces.
class Client {
 public:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }

  // False: done with this one.
  bool Serve(const EmulatedTee& tee) {
    std::array<char, 4096> buffer{};
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    pending_.append(buffer.data(), static_cast<size_t>(got));
    while (pending_.size() >= 4) {
      size_t size = 0;
      for (size_t i = 4; i-- > 0;) size = size << 8U | static_cast<unsigned char>(pending_[i]);
      if (size > kMaxTeeFrameBytes) return false;
      if (pending_.size() < 4 + size) return true;
      const std::string request = pending_.substr(4, size);
      pending_.erase(0, 4 + size);
      if (!Answer(tee, request)) return false;
    }
    return true;
  }

 private:
  bool Answer(const EmulatedTee& tee, const std::string& request) const {
    const auto report_data = DecodeReportRequest(request);
    const auto evidence =
        report_data.ok() ? tee.Report(*report_data) : Result<SnpEvidence>(report_data.error());
    const std::string answer = evidence.ok() ? EncodeReportAnswer(*evidence)
                                             : EncodeReportRefusal(evidence.error().message());
    std::string frame;
    for (unsigned shift = 0; shift < 32; shift += 8) {
      frame += static_cast<char>(answer.size() >> shift & 0xFFU);
    }
    frame += answer;
    // A guest that asks and never reads fills the socket, and is cut off then.
    const ssize_t sent = ::send(fd_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent == static_cast<ssize_t>(frame.size());
  }

  UniqueFd fd_;
  std::string pending_;
};

Result<UniqueFd> CatchSignals(sigset_t& previous) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, signal);
  const int failed = ::pthread_sigmask(SIG_BLOCK, &set, &previous);
  if (failed != 0) return Error::FromErrno(failed, "block signals");
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return Error::FromErrno(errno, "signalfd");
  return fd;
}

// Between fork and exec: system calls only.
[[noreturn]] void BecomeQemu(char* const* argv, const sigset_t& mask, pid_t parent, int report_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(argv[0], argv);
  const int failure = errno;
  [[maybe_unused]] const ssize_t told = ::write(report_fd, &failure, sizeof failure);
  ::_exit(127);
}

// QEMU, killed and reaped when the object dies.
class Qemu {
 public:
  static Result<Qemu> Start(const std::vector<std::string>& arguments, const sigset_t& mask) {
    std::vector<std::string> copy = arguments;
    std::vector<char*> argv;
    for (auto& argument : copy) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::array<int, 2> pipe_fds{};
    if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "pipe");
    const UniqueFd read_end(pipe_fds[0]);
    UniqueFd write_end(pipe_fds[1]);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return Error::FromErrno(errno, "fork");
    if (pid == 0) BecomeQemu(argv.data(), mask, parent, write_end.get());
    Qemu qemu(pid);
    write_end.reset();
    int failure = 0;
    if (::read(read_end.get(), &failure, sizeof failure) == sizeof failure) {
      return Error::FromErrno(failure, "start '" + arguments.front() + "'");
    }
    return qemu;
  }

  Qemu(Qemu&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Qemu& operator=(Qemu&&) = delete;
  ~Qemu() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void Signal(int signal) const { ::kill(pid_, signal); }

  // Its exit status as a shell counts it, once it has ended.
  std::optional<int> Ended() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  explicit Qemu(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

void PassSignalsOn(int signal_fd, const Qemu& qemu) {
  signalfd_siginfo signal{};
  while (::read(signal_fd, &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo != SIGCHLD) qemu.Signal(static_cast<int>(signal.ssi_signo));
  }
}

Result<int> Loop(const EmulatedTee& tee, const Listener& listener, int signal_fd, Qemu& qemu) {
  std::vector<Client> clients;
  for (;;) {
    std::vector<pollfd> polled{{.fd = signal_fd, .events = POLLIN, .revents = 0},
                               {.fd = listener.fd(), .events = POLLIN, .revents = 0}};
    for (const auto& client : clients) {
      polled.push_back({.fd = client.fd(), .events = POLLIN, .revents = 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return Error::FromErrno(errno, "poll");
    }
    for (size_t i = clients.size(); i-- > 0;) {
      if (polled[i + 2].revents == 0 || clients[i].Serve(tee)) continue;
      clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (polled[1].revents != 0) {
      UniqueFd accepted(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (accepted.valid() && clients.size() < kMaxClients) {
        clients.emplace_back(std::move(accepted));
      }
    }
    if (polled[0].revents != 0) {
      PassSignalsOn(signal_fd, qemu);
      const auto status = qemu.Ended();
      if (status) return *status;
    }
  }
}

}  // namespace

Result<int> RunEmulator(const EmulatorLaunch& launch) {
  log::Warning(
      "EMULATED TEE: reports are signed with keys that lie on this machine; they protect "
      "nothing. For development and tests only.");
  LOCKET_TRY_ASSIGN(const auto measurement, MeasureQemuArguments(launch.qemu));
  LOCKET_TRY_ASSIGN(const auto tee,
                    EmulatedTee::Open(launch.directory, {.measurement = measurement,
                                                         .host_data = launch.host_data,
                                                         .policy = launch.policy}));
  LOCKET_TRY_ASSIGN(const auto listener, Listener::Create(launch.socket));
  sigset_t mask;
  LOCKET_TRY_ASSIGN(const auto signal_fd, CatchSignals(mask));
  LOCKET_TRY_ASSIGN(auto qemu, Qemu::Start(launch.qemu, mask));
  return Loop(tee, listener, signal_fd.get(), qemu);
}

}  // namespace locket::attest
