#include "guest-agent/init.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "base/result.h"
#include "guest-agent/early_boot.h"
#include "guest-agent/exit_notices.h"
#include "guest-agent/module_list.h"
#include "guest-agent/network.h"

namespace locket::guest_agent {
namespace {

Status Boot() {
  ::umask(022);
  LOCKET_TRY(LeaveInitramfs());
  LOCKET_TRY(MountBase());
  // Before there is a network device, which inherits it.
  LOCKET_TRY(HardenNetwork(SetKernelParameter).While("harden the network"));
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

}  // namespace

void RunInit(const AgentBody& agent) {
  ::signal(SIGPIPE, SIG_IGN);
  if (const Status booted = Boot(); !booted.ok()) {
    log::Error("boot failed, powering off", {log::Field(booted.error())});
    PowerOff();
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    log::Error("boot failed, powering off", {log::Field(Error::FromErrno(errno, "make a pipe"))});
    PowerOff();
  }
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    writer.reset();
    ::_exit(agent(std::move(reader)));
  }
  if (child < 0) {
    log::Error("boot failed, powering off", {log::Field(Error::FromErrno(errno, "fork"))});
    PowerOff();
  }
  const int status = ReapUntil(child, writer.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    log::Error(
        "agent ended, powering off",
        {log::Field("status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status))});
  }
  PowerOff();
}

}  // namespace locket::guest_agent
