#include "guest-agent/init.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "base/result.h"
#include "guest-agent/console_pump.h"
#include "guest-agent/early_boot.h"
#include "guest-agent/hardening/kernel_settings.h"
#include "guest-agent/module_list.h"
#include "guest-agent/network/network.h"
#include "guest-agent/process/exit_notices.h"

namespace locket::guest_agent {
namespace {

// How long the end of the log may take to reach the console. The host can keep it from getting
// there.
constexpr auto kConsoleTimeout = std::chrono::seconds(2);

Status Boot() {
  ::umask(022);
  LOCKET_TRY(LeaveInitramfs());
  LOCKET_TRY(MountBase());
  // Before anything that comes from the host is read.
  LOCKET_TRY(FixKernelSettings(SetKernelParameter).While("fix the kernel's settings"));
  LOCKET_TRY(RaiseOwnLimits());
  // Before there is a network device, which inherits it.
  LOCKET_TRY(HardenNetwork(SetNetworkParameter).While("harden the network"));
  LOCKET_TRY(LoadModules(kBootModules));
  LOCKET_TRY(RaiseLoopback());
  LOCKET_TRY(SeedEntropy().While("seed the random number generator"));
  ::setenv("PATH", "/usr/bin", 1);
  return Ok();
}

// The status of the agent. Everything else that ends goes into `records`.
int ReapUntil(pid_t agent, int records) {
  for (;;) {
    ExitRecord record{};
    record.pid = ::waitpid(-1, &record.wait_status, 0);
    if (record.pid == agent) return record.wait_status;
    if (record.pid > 0) {
      (void)WriteFull(records, std::as_bytes(std::span(&record, 1)));  // a dead agent reads nothing
    } else if (errno != EINTR) {
      return -1;  // ECHILD: cannot be while the agent lives
    }
  }
}

// Ends the guest with its reason on the console.
[[noreturn]] void Fail(ConsolePump& console, std::string_view what, const Error& why) {
  log::Error(what, {log::Field(why)});
  (void)console.Finish(kConsoleTimeout);
  PowerOff();
}

}  // namespace

void RunInit(const AgentBody& agent) {
  static constexpr char kFailed[] = "boot failed, powering off";
  ::signal(SIGPIPE, SIG_IGN);
  auto console = ConsolePump::Start(UniqueFd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)));
  if (!console.ok()) {
    log::Error(kFailed, {log::Field(console.error())});
    PowerOff();
  }
  if (const Status booted = Boot(); !booted.ok()) Fail(*console, kFailed, booted.error());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    Fail(*console, kFailed, Error::FromErrno(errno, "make a pipe"));
  }
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    writer.reset();
    ::_exit(agent(std::move(reader)));
  }
  if (child < 0) Fail(*console, kFailed, Error::FromErrno(errno, "fork"));
  const int status = ReapUntil(child, writer.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    log::Error(
        "agent ended, powering off",
        {log::Field("status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status))});
  }
  (void)console->Finish(kConsoleTimeout);
  PowerOff();
}

}  // namespace locket::guest_agent
