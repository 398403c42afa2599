// What the host runs in a container besides its first process: policy, life, streams, terminal.
#include "guest-agent/pod/exec.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "device/fake_mount_control.h"
#include "guest-agent/policy/exec_request.h"
#include "guest-agent/process/console_socket.h"
#include "guest-agent/process/fake_container_runtime.h"

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kCheck = {"/bin/check", "--health"};

GuestConfig ContainerConfig() {
  return {.process = {.argv = {"/bin/app"},
                      .env = {"PATH=/bin", "HOME=/", "MODE=safe"},
                      .working_directory = "/srv",
                      .uid = 1000,
                      .gid = 1001},
          .capabilities = {"CAP_CHOWN", "CAP_KILL"},
          .rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1, .hard = 2}},
          .hostname = "h",
          .no_new_privileges = true,
          .read_only_root = false,
          .limits = {},
          .dropped = {"mount at '/x'"}};
}

TEST(ExecRequestTest, OnlyTheVectorsOfThePolicyRun) {
  const initdata::GuestPolicy policy{
      .every_image = {.allow_commands = {{"/bin/sh"}}, .allow_exec = {{"/bin/x"}, kCheck}}};
  EXPECT_EQ(ApplyExecPolicy(ContainerConfig(), {.args = kCheck}, policy)->process.argv, kCheck);
  for (const std::vector<std::string>& args : {std::vector<std::string>{"/bin/sh"},
                                               {"/bin/app"},
                                               {"/bin/check"},
                                               {"/bin/check", "--health", "x"},
                                               {"/bin/check --health"}}) {
    const auto refused = ApplyExecPolicy(ContainerConfig(), {.args = args}, policy);
    ASSERT_FALSE(refused.ok()) << args[0];
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(refused.error().message(), HasSubstr("initdata's [agent] allow_exec"));
    EXPECT_THAT(refused.error().message(), HasSubstr(Json(args).dump()));
  }
  EXPECT_EQ(ApplyExecPolicy(ContainerConfig(), {}, policy).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(ExecRequestTest, TheRestIsTheContainersAndTheHostOnlyTakesAway) {
  const HostRequest host{.args = kCheck,
                         .env = {"MODE=unsafe", "PROBE_ID=7", "LD_PRELOAD=/x"},
                         .capabilities = {"CAP_KILL", "CAP_SYS_ADMIN"},
                         .rlimits = {{.type = "RLIMIT_NOFILE", .soft = 9, .hard = 9}},
                         .no_new_privileges = false};
  const auto config = ApplyExecPolicy(
      ContainerConfig(), host, {.every_image = {.allow_exec = {kCheck}}, .allow_env = {"PROBE_*"}});
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_THAT(config->process.env, ElementsAre("PATH=/bin", "HOME=/", "MODE=safe", "PROBE_ID=7"));
  EXPECT_EQ(config->process.working_directory, "/srv");
  EXPECT_EQ(config->process.uid, 1000U);
  EXPECT_THAT(config->capabilities, ElementsAre("CAP_KILL"));
  EXPECT_EQ(config->rlimits, ContainerConfig().rlimits);
  EXPECT_TRUE(config->no_new_privileges);
  EXPECT_FALSE(config->terminal);
  EXPECT_THAT(config->dropped, IsEmpty());
}

TEST(ExecRequestTest, ATerminalHasAName) {
  const initdata::GuestPolicy policy{.every_image = {.allow_exec = {kCheck}},
                                     .allow_env = {"TERM"}};
  EXPECT_THAT(
      ApplyExecPolicy(ContainerConfig(), {.args = kCheck, .terminal = true}, policy)->process.env,
      ElementsAre("PATH=/bin", "HOME=/", "MODE=safe", "TERM=xterm"));
  EXPECT_THAT(ApplyExecPolicy(ContainerConfig(),
                              {.args = kCheck, .env = {"TERM=vt100"}, .terminal = true}, policy)
                  ->process.env,
              ElementsAre("PATH=/bin", "HOME=/", "MODE=safe", "TERM=vt100"));
}

TEST(ExecRequestTest, StreamsNeedTheTenantsWord) {
  struct Case {
    bool allow_stdin, hide_output, with_stdin, terminal;
    const char* refusal;
  };
  for (const Case& one : {Case{false, false, false, false, ""}, Case{true, true, true, false, ""},
                          Case{true, false, true, true, ""},
                          Case{false, false, true, false, "standard input: run it without stdin"},
                          Case{false, false, false, true, "run it without tty, or set allow_stdin"},
                          Case{true, true, false, true, "initdata says hide_output"}}) {
    const Status checked =
        CheckStreams({.allow_stdin = one.allow_stdin, .hide_output = one.hide_output},
                     one.with_stdin, one.terminal);
    EXPECT_EQ(checked.ok(), *one.refusal == '\0') << one.refusal;
    if (checked.ok()) continue;
    EXPECT_EQ(checked.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(checked.error().message(), HasSubstr(one.refusal));
  }
}

class ExecTest : public ::testing::Test {
 protected:
  ExecTest() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    exits_ = std::make_unique<ExitNotices>(UniqueFd(ends[0]));
    runtime_ = std::make_unique<FakeContainerRuntime>(UniqueFd(ends[1]));
    std::filesystem::create_directories(Path("c"));
    EXPECT_TRUE(ReplaceFileDurably(Path("c") / "config.json", "{}").ok());
    const ProcessStreams none{.terminal = false, .stdin_fd = 0, .stdout_fd = 1, .stderr_fd = 2};
    EXPECT_TRUE(runtime_->Create({.id = "c", .bundle = Path("c"), .streams = none}).ok());
    EXPECT_TRUE(runtime_->Start("c").ok());
  }
  ~ExecTest() override { runtime_.reset(); }

  std::filesystem::path Path(const std::string& name) const { return directory_.path() / name; }
  std::shared_ptr<Exec> Make(const std::string& id, bool with_stdin = false,
                             bool terminal = false) {
    GuestConfig config = ContainerConfig();
    config.process.argv = kCheck;
    config.terminal = terminal;
    return std::make_shared<Exec>(
        ContainerSeams{.runtime = *runtime_, .exits = *exits_, .volumes = volumes_},
        ExecSetup{.container_id = "c",
                  .id = id,
                  .directory = Path(id),
                  .config = config,
                  .io = {.with_stdin = with_stdin, .terminal = terminal, .hide_output = false}});
  }
  // A terminal may give what it has in pieces.
  static std::string ReadText(Exec& exec, size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      const auto output = exec.Read(OutputStream::kStdout, bytes - text.size());
      if (!output.ok() || output->end) break;
      text += output->data;
    }
    return text;
  }
  FakeContainerRuntime::FakeExec& Fake(const std::string& id) { return runtime_->execs().at(id); }

  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "exec").value());
  std::unique_ptr<ExitNotices> exits_;
  device::FakeMountControl mounts_;
  EmptyVolumes volumes_{mounts_, "/nowhere"};  // an exec brings none
  std::unique_ptr<FakeContainerRuntime> runtime_;
};

TEST_F(ExecTest, LivesFromStartToItsExitAndLeavesNothing) {
  const auto exec = Make("e");
  EXPECT_FALSE(std::filesystem::exists(Path("e")));
  ASSERT_TRUE(exec->Start().ok());
  const Json process = Json::parse(Fake("e").process);
  EXPECT_EQ(process.at("args"), Json(kCheck));
  EXPECT_EQ(process.at("user").at("uid"), 1000);
  EXPECT_EQ(process.at("terminal"), false);
  ASSERT_TRUE(WriteFull(Fake("e").stdout_fd.get(), AsBytes("fine")).ok());
  ASSERT_TRUE(WriteFull(Fake("e").stderr_fd.get(), AsBytes("hm")).ok());
  runtime_->EndExec("e", W_EXITCODE(3, 0));
  EXPECT_EQ(exec->Wait()->exit_status, 3);
  EXPECT_EQ(exec->Wait()->exit_status, 3) << "as often as one asks";
  EXPECT_EQ(exec->Read(OutputStream::kStdout, 100)->data, "fine");
  EXPECT_TRUE(exec->Read(OutputStream::kStdout, 100)->end);
  EXPECT_EQ(exec->Read(OutputStream::kStderr, 100)->data, "hm");
  EXPECT_EQ(exec->Signal(SIGTERM, false).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(exec->Delete().ok());
  EXPECT_TRUE(exec->Delete().ok()) << "twice is fine";
  EXPECT_FALSE(std::filesystem::exists(Path("e")));
}

TEST_F(ExecTest, WrongStatesAreToldApart) {
  const auto exec = Make("e", /*with_stdin=*/true);
  const std::string id = "exec 'e' of container 'c' ";
  EXPECT_EQ(exec->Wait().error().message(), id + "is not started");
  EXPECT_EQ(exec->Signal(SIGTERM, false).error().message(), id + "is not started");
  EXPECT_EQ(exec->Read(OutputStream::kStdout, 1).error().message(), id + "is not started");
  EXPECT_EQ(exec->WriteInput("x").error().message(), id + "is not started");
  EXPECT_EQ(exec->Resize({.rows = 1, .columns = 1}).error().message(), id + "is not started");
  exec->CloseInput();
  ASSERT_TRUE(exec->Start().ok());
  EXPECT_EQ(exec->Start().error().message(), id + "runs already");
  EXPECT_EQ(exec->Signal(0, false).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(exec->Resize({.rows = 1, .columns = 1}).error().message(),
              HasSubstr("no terminal to resize"));
  EXPECT_TRUE(exec->Delete().ok());
  EXPECT_EQ(exec->Start().error().message(), id + "is deleted");
}

TEST_F(ExecTest, AStartThatFailsCanBeRepeatedOrDeleted) {
  const auto exec = Make("e");
  runtime_->FailCall(1);
  EXPECT_EQ(exec->Start().error().message(), "injected");
  ASSERT_TRUE(exec->Start().ok());
  const auto other = Make("other");
  runtime_->FailCall(1);
  EXPECT_FALSE(other->Start().ok());
  EXPECT_TRUE(other->Delete().ok());
  EXPECT_FALSE(std::filesystem::exists(Path("other")));
}

TEST_F(ExecTest, DeleteKillsWhatRunsAndCanBeRepeatedAfterAFailure) {
  const auto exec = Make("e");
  ASSERT_TRUE(exec->Start().ok());
  std::thread waiter([&] { EXPECT_EQ(exec->Wait()->exit_status, 128 + SIGKILL); });
  runtime_->FailCall(1);
  EXPECT_EQ(exec->Delete().error().message(), "injected");
  EXPECT_TRUE(exec->Delete().ok());
  waiter.join();
}

TEST_F(ExecTest, StreamsThatAnOrphanHoldsEndWithTheExec) {
  const auto exec = Make("e", /*with_stdin=*/true);
  ASSERT_TRUE(exec->Start().ok());
  // A child of the exec, which goes on after it, without reading.
  const UniqueFd out(::dup(Fake("e").stdout_fd.get()));
  const UniqueFd in(::dup(Fake("e").stdin_fd.get()));
  runtime_->EndExec("e", 0);
  std::thread reader([&] { EXPECT_TRUE(exec->Read(OutputStream::kStdout, 10)->end); });
  std::thread writer([&] {
    EXPECT_THAT(exec->WriteInput(std::string(1 << 20, 'x')).error().message(),
                HasSubstr("exec 'e': the process is deleted"));
  });
  EXPECT_TRUE(exec->Delete().ok());
  reader.join();
  writer.join();
}

TEST_F(ExecTest, TheEndOfTheContainerIsTheEndOfItsExecs) {
  const auto exec = Make("e");
  ASSERT_TRUE(exec->Start().ok());
  runtime_->End("c", 0);
  EXPECT_EQ(exec->Wait()->exit_status, 128 + SIGKILL);
  EXPECT_EQ(Make("late")->Start().error().code(), ErrorCode::kNotFound);
}

TEST_F(ExecTest, ATerminalEchoesResizesAndEnds) {
  const auto exec = Make("e", /*with_stdin=*/true, /*terminal=*/true);
  ASSERT_TRUE(exec->Start().ok());
  EXPECT_EQ(Json::parse(Fake("e").process).at("terminal"), true);
  ASSERT_TRUE(exec->WriteInput("hello\n").ok());
  EXPECT_EQ(ReadText(*exec, 7), "hello\r\n") << "the line discipline";
  char line[16] = {};
  EXPECT_EQ(::read(Fake("e").stdin_fd.get(), line, sizeof line), 6);
  EXPECT_STREQ(line, "hello\n");
  ASSERT_TRUE(exec->Resize({.rows = 33, .columns = 77}).ok());
  winsize size{};
  ASSERT_EQ(::ioctl(Fake("e").stdin_fd.get(), TIOCGWINSZ, &size), 0);
  EXPECT_EQ(size.ws_row, 33);
  EXPECT_EQ(size.ws_col, 77);
  EXPECT_TRUE(exec->Read(OutputStream::kStderr, 100)->end) << "there is one stream";
  exec->CloseInput();
  EXPECT_TRUE(exec->WriteInput("x").ok()) << "a terminal has no end of input";
  EXPECT_EQ(exec->Read(OutputStream::kStdout, 100)->data, "x");
  runtime_->EndExec("e", 0);
  EXPECT_TRUE(exec->Read(OutputStream::kStdout, 100)->end);
}

TEST_F(ExecTest, ATerminalWithoutInputTakesNone) {
  const auto exec = Make("e", /*with_stdin=*/false, /*terminal=*/true);
  ASSERT_TRUE(exec->Start().ok());
  EXPECT_THAT(exec->WriteInput("x").error().message(), HasSubstr("no standard input"));
}

TEST_F(ExecTest, ATableBoundsAndForgets) {
  ExecTable table;
  for (size_t i = 0; i < kMaxExecs; ++i) {
    const std::string id = "e" + std::to_string(i);
    ASSERT_TRUE(table.Add(id, Make(id)).ok());
  }
  EXPECT_EQ(table.Add("e0", Make("e0")).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(table.Add("more", Make("more")).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(table.Delete("e0").ok());
  EXPECT_TRUE(table.Delete("e0").ok()) << "twice is fine";
  EXPECT_EQ(table.Find("e0").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(table.Add("more", Make("more")).ok());
  ASSERT_TRUE((*table.Find("more"))->Start().ok());
  runtime_->FailCall(1);
  EXPECT_FALSE(table.Delete("more").ok());
  EXPECT_TRUE(table.Find("more").ok()) << "what could not be deleted is still there";
  table.DeleteAll();
  EXPECT_TRUE(Fake("more").ended);
  EXPECT_EQ(table.Find("more").error().code(), ErrorCode::kNotFound);
}

TEST(ConsoleSocketTest, TellsWhatItDidNotGet) {
  const auto directory = TempDir::Create("/tmp", "console");
  const auto path = directory->path() / "s";
  {
    const auto socket = ConsoleSocket::Listen(path);
    ASSERT_TRUE(socket.ok()) << socket.error().message();
    EXPECT_THAT(socket->Receive().error().message(), HasSubstr("accept at the console socket"));
    EXPECT_THAT(ConsoleSocket::Listen(path).error().message(), HasSubstr(path.string()));
    EXPECT_THAT(ConsoleSocket::Listen(directory->path() / std::string(108, 'x')).error().message(),
                HasSubstr("too long"));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace locket::guest_agent
