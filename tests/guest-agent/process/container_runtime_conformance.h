// What every ContainerRuntime promises. Instantiated for the fake in unit tests and for crun in a
// program that runs inside the VM, so the fake cannot drift away from what it stands for.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <ostream>
#include <string>

#include "base/encoding.h"
#include "base/file.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/process/container_runtime.h"

namespace locket::guest_agent {

class RuntimeHarness {
 public:
  virtual ~RuntimeHarness() = default;
  virtual ContainerRuntime& runtime() = 0;
  virtual std::filesystem::path rootfs() = 0;  // with /bin/sleep
  // Blocks until the process has ended; as a shell counts it.
  virtual int AwaitEnd(pid_t pid) = 0;
};

struct RuntimeMaker {
  const char* name;
  std::unique_ptr<RuntimeHarness> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const RuntimeMaker& maker) {
    return out << maker.name;
  }
};

class ContainerRuntimeConformanceTest : public ::testing::TestWithParam<RuntimeMaker> {
 protected:
  static GuestConfig Sleeper(bool terminal = false) {
    return {.process = {.argv = {"/bin/sleep", "1000"},
                        .env = {"PATH=/bin"},
                        .working_directory = "/",
                        .uid = 0,
                        .gid = 0},
            .capabilities = {},
            .rlimits = {},
            .hostname = "h",
            .no_new_privileges = false,
            .read_only_root = false,
            .terminal = terminal,
            .limits = {}};
  }
  static void Write(const std::filesystem::path& path, const std::string& text) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_TRUE(WriteFull(file.get(), AsBytes(text)).ok()) << path;
  }
  ProcessStreams Streams(bool terminal = false) const {
    return {.terminal = terminal,
            .stdin_fd = null_.get(),
            .stdout_fd = null_.get(),
            .stderr_fd = null_.get()};
  }

  Result<StartedProcess> Create(bool terminal = false) {
    const auto bundle = directory_.path() / "bundle";
    std::filesystem::create_directories(bundle);
    for (const char* name : {"hosts", "hostname", "resolv.conf"}) Write(bundle / name, "");
    Write(bundle / "config.json",
          EncodeGuestConfig(
              Sleeper(terminal),
              {.container_id = "conformance", .rootfs = harness_->rootfs(), .etc = bundle}));
    return runtime_.Create({.id = "conformance", .bundle = bundle, .streams = Streams(terminal)});
  }
  // Of the container's first process, which runs.
  pid_t Run() {
    const auto created = Create();
    EXPECT_TRUE(created.ok()) << created.error().message();
    const Status started = runtime_.Start("conformance");
    EXPECT_TRUE(started.ok()) << started.error().message();
    return created.ok() ? created->pid : 0;
  }
  Result<StartedProcess> Exec(const std::string& name, bool terminal = false) {
    const auto directory = directory_.path() / name;
    std::filesystem::create_directories(directory);
    Write(directory / kExecProcessFile, EncodeGuestProcess(Sleeper(terminal)));
    return runtime_.Exec(
        {.container_id = "conformance", .directory = directory, .streams = Streams(terminal)});
  }
  void TearDown() override { EXPECT_TRUE(runtime_.Delete("conformance").ok()); }

  const std::unique_ptr<RuntimeHarness> harness_ = GetParam().make();
  ContainerRuntime& runtime_ = harness_->runtime();
  const UniqueFd null_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  TempDir directory_ = std::move(TempDir::Create("/tmp", "runtime").value());
};

TEST_P(ContainerRuntimeConformanceTest, AContainerLivesFromCreateToDelete) {
  const pid_t pid = Run();
  ASSERT_GT(pid, 1);
  EXPECT_TRUE(runtime_.Kill("conformance", SIGKILL, /*all=*/false).ok());
  EXPECT_EQ(harness_->AwaitEnd(pid), 128 + SIGKILL);
  EXPECT_TRUE(runtime_.Delete("conformance").ok());
  EXPECT_TRUE(runtime_.Delete("conformance").ok()) << "twice is fine";
}

TEST_P(ContainerRuntimeConformanceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(runtime_.Start("conformance").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(runtime_.Kill("conformance", SIGTERM, false).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Exec("e").error().code(), ErrorCode::kNotFound);
}

TEST_P(ContainerRuntimeConformanceTest, AnExecEndsAloneWithTheContainerGoingOn) {
  const pid_t first = Run();
  const auto exec = Exec("e");
  ASSERT_TRUE(exec.ok()) << exec.error().message();
  EXPECT_NE(exec->pid, first);
  EXPECT_FALSE(exec->terminal.valid());
  EXPECT_TRUE(runtime_.KillExec("conformance", exec->pid, SIGKILL).ok());
  EXPECT_EQ(harness_->AwaitEnd(exec->pid), 128 + SIGKILL);
  EXPECT_EQ(runtime_.KillExec("conformance", exec->pid, SIGKILL).error().code(),
            ErrorCode::kNotFound);
  EXPECT_TRUE(Exec("next").ok()) << "the container's first process runs";
}

TEST_P(ContainerRuntimeConformanceTest, TheEndOfAContainerIsTheEndOfItsExecs) {
  const pid_t first = Run();
  const auto exec = Exec("e");
  ASSERT_TRUE(exec.ok()) << exec.error().message();
  EXPECT_TRUE(runtime_.Kill("conformance", SIGKILL, /*all=*/false).ok());
  EXPECT_EQ(harness_->AwaitEnd(exec->pid), 128 + SIGKILL);
  EXPECT_EQ(harness_->AwaitEnd(first), 128 + SIGKILL);
  const auto late = Exec("late");
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code(), ErrorCode::kNotFound) << late.error().message();
}

TEST_P(ContainerRuntimeConformanceTest, TerminalsAreHandedOver) {
  const auto created = Create(/*terminal=*/true);
  ASSERT_TRUE(created.ok()) << created.error().message();
  EXPECT_EQ(::isatty(created->terminal.get()), 1);
  ASSERT_TRUE(runtime_.Start("conformance").ok());
  const auto exec = Exec("e", /*terminal=*/true);
  ASSERT_TRUE(exec.ok()) << exec.error().message();
  EXPECT_EQ(::isatty(exec->terminal.get()), 1);
}

}  // namespace locket::guest_agent
