// How crun is called. A script takes crun's place: the real one runs in tests/guest-agent/vm_test.
#include "guest-agent/process/crun_runtime.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <thread>

#include "base/encoding.h"
#include "base/file.h"

namespace locket::guest_agent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CrunCommandTest, PutsOurOptionsBeforeTheVerb) {
  EXPECT_THAT(CrunCommand({.program = "crun", .state = "/s"}, "/l", {"start", "id"}),
              ElementsAre("crun", "--root", "/s", "--log", "/l", "--log-format=text",
                          "--cgroup-manager=cgroupfs", "start", "id"));
}

class CrunRuntimeTest : public ::testing::Test {
 protected:
  // `kill` says that it waits by reading the pipe `begun`, and fails once `go` is written to.
  // `create` leaves a process in /proc, which `delete` ends. Every other verb succeeds at once.
  void SetUp() override {
    ASSERT_EQ(::mkfifo((temp_.path() / "begun").c_str(), 0600), 0);
    ASSERT_EQ(::mkfifo((temp_.path() / "go").c_str(), 0600), 0);
    const std::string script = R"(#!/bin/sh
log=$4
case "$*" in *kill*)
  echo "container not running" > "$log"
  echo > )" + (temp_.path() / "begun").string() +
                               R"(
  read -r _ < )" + (temp_.path() / "go").string() +
                               R"(
  exit 1;;
*create*)
  cd /proc
  sleep 60 &
  echo $! > "$9"
  cp "$9" "${log%/*/*}/first";;
*delete*)
  read -r first < "${log%/*/*}/first" || exit 0
  kill "$first" && mv "${log%/*/*}/first" "${log%/*/*}/deleted";;
esac
)";
    ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "crun", script).ok());
    fs::permissions(temp_.path() / "crun", fs::perms::owner_all);
    fs::create_directory(temp_.path() / "state");
  }
  std::string Pipe(const std::string& name) { return *ReadFile(temp_.path() / name, 100); }

  TempDir temp_ =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "crun-")).value();
  CrunRuntime runtime_{{.program = temp_.path() / "crun", .state = temp_.path() / "state"}};
};

TEST_F(CrunRuntimeTest, ASignalFailsInItsOwnWordsWhileTheContainerIsDeleted) {
  Status killed = Ok();
  std::jthread signaller([&] { killed = runtime_.Kill("web", SIGKILL, /*all=*/true); });
  Pipe("begun");
  EXPECT_TRUE(runtime_.Delete("web").ok());
  ASSERT_TRUE(WriteFull(OpenFile(temp_.path() / "go", O_WRONLY)->get(), AsBytes("\n")).ok());
  signaller.join();
  ASSERT_FALSE(killed.ok());
  EXPECT_EQ(killed.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(killed.error().message(), HasSubstr("crun kill: container not running"));
}

TEST_F(CrunRuntimeTest, AContainerWhoseFirstProcessIsInProcIsDeletedBeforeItStarts) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto created = runtime_.Create({.id = "web",
                                        .bundle = temp_.path(),
                                        .streams = {.terminal = false,
                                                    .stdin_fd = null.get(),
                                                    .stdout_fd = null.get(),
                                                    .stderr_fd = null.get()}});
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(created.error().message(), HasSubstr("leads into /proc"));
  EXPECT_TRUE(fs::exists(temp_.path() / "deleted"));
}

TEST_F(CrunRuntimeTest, LeavesNoLogsBehind) {
  EXPECT_TRUE(runtime_.Start("web").ok());
  EXPECT_TRUE(runtime_.Delete("web").ok());
  EXPECT_TRUE(fs::is_empty(temp_.path() / "state"));
}

}  // namespace
}  // namespace locket::guest_agent
