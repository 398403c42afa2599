// What containerd runs in containers besides their first processes, down to the agent and back.
#include "runtime-shim/task/exec.h"

#include <fcntl.h>
#include <google/protobuf/empty.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encoding.h"
#include "proto/task.pb.h"
#include "runtime-shim/task/task_service.h"
#include "tests/runtime-shim/task/pod_fixture.h"

namespace locket::runtime_shim {
namespace {

namespace v2 = ::containerd::task::v2;
using google::protobuf::Empty;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ExecTest : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    RunSandbox();
    RunContainer("one");
    AddTaskService(methods_, *pod_, [] {});
  }
  Status Add(const std::string& exec_id, const StdioPaths& stdio = {}, bool terminal = false) {
    return pod_->AddExec({.container_id = "one",
                          .exec_id = exec_id,
                          .stdio = stdio,
                          .terminal = terminal,
                          .process = R"({"args":["/x"]})"});
  }
  void Run(const std::string& exec_id, const StdioPaths& stdio = {}) {
    const Status added = Add(exec_id, stdio);
    ASSERT_TRUE(added.ok()) << added.error().message();
    const auto started = execs().Start({"one", exec_id});
    ASSERT_TRUE(started.ok()) << started.error().message();
  }
  Execs& execs() { return pod_->execs(); }
  TaskStatus StatusOf(const std::string& exec_id) {
    return execs().State({"one", exec_id})->status;
  }

  template <typename Response, typename Request>
  Result<Response> Call(const char* method, const Request& request) {
    const auto* handler = methods_.Find("containerd.task.v2.Task", method);
    if (handler == nullptr) return Error(ErrorCode::kUnimplemented, method);
    LOCKET_TRY_ASSIGN(const auto bytes, (*handler)({}, request.SerializeAsString()));
    Response response;
    EXPECT_TRUE(response.ParseFromString(bytes));
    return response;
  }
  template <typename Request>
  static Request About(const std::string& exec_id) {
    Request request;
    request.set_id("one");
    request.set_exec_id(exec_id);
    return request;
  }

  rpc::TtrpcMethods methods_;
};

TEST_F(ExecTest, LivesFromAddToDeleteAndContainerdHearsOfItInOrder) {
  ASSERT_EQ(::mkfifo(Path("out").c_str(), 0600), 0);
  const UniqueFd out(::open(Path("out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  Run("e", {.out = Path("out")});
  EXPECT_EQ(agent_.spec("one/e"), R"({"args":["/x"]})") << "as it came";
  EXPECT_EQ(StatusOf("e"), TaskStatus::kRunning);
  agent_.SetOutput("one/e", "healthy", "");
  agent_.End("one/e", 7);
  EXPECT_EQ(execs().Wait({"one", "e"})->status, 7U);
  const auto deleted = execs().Delete({"one", "e"});
  ASSERT_TRUE(deleted.ok()) << deleted.error().message();
  EXPECT_EQ(deleted->exit->status, 7U);
  EXPECT_EQ(deleted->pid, 4242U);
  std::string text(7, '\0');
  ASSERT_TRUE(ReadFull(out.get(), std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "healthy");
  EXPECT_EQ(execs().Wait({"one", "e"}).error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(agent_.calls(), Contains("DeleteContainer one/e"));
  EXPECT_EQ(pod_->State("one")->status, TaskStatus::kRunning) << "the container goes on";
  ASSERT_TRUE(containerd_->WaitEvent("/tasks/exit one/e 7"));
  EXPECT_THAT(
      containerd_->events(),
      ElementsAre("/tasks/create pod", "/tasks/start pod", "/tasks/create one", "/tasks/start one",
                  "/tasks/exec-added one/e", "/tasks/exec-started one/e", "/tasks/exit one/e 7"));
}

TEST_F(ExecTest, InputReachesTheExec) {
  ASSERT_EQ(::mkfifo(Path("in").c_str(), 0600), 0);
  Run("e", {.in = Path("in")});
  const UniqueFd in(::open(Path("in").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(WriteFull(in.get(), AsBytes("typed")).ok());
  EXPECT_TRUE(agent_.WaitInput("one/e", "typed", /*closed=*/false));
  EXPECT_TRUE(execs().CloseInput({"one", "e"}).ok());
}

// A client writes on until it is told that nobody reads: it must be told, and nothing may stay.
TEST_F(ExecTest, OneThatEndsWithoutReadingItsInputLeavesNothing) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  ASSERT_EQ(::mkfifo(Path("in").c_str(), 0600), 0);
  const auto before = descriptors();
  for (int i = 0; i < 3; ++i) {
    const std::string id = "e" + std::to_string(i);
    Run(id, {.in = Path("in")});
    UniqueFd in(::open(Path("in").c_str(), O_WRONLY | O_CLOEXEC));
    agent_.End("one/" + id, 0);
    ASSERT_EQ(execs().Wait({"one", id})->status, 0U);
    while (::write(in.get(), "x", 1) == 1) {  // blocks for ever if nobody ends it
    }
    EXPECT_EQ(errno, EPIPE);
    in.reset();
    EXPECT_TRUE(execs().Delete({"one", id}).ok());
    EXPECT_EQ(descriptors(), before);
  }
}

TEST_F(ExecTest, TheGuestsRefusalIsContainerdsAnswerAndNothingStays) {
  agent_.FailMethod("CreateExec", "not listed in allow_exec");
  EXPECT_THAT(Add("e").error().message(),
              AllOf(HasSubstr("exec in container 'one'"), HasSubstr("not listed in allow_exec")));
  EXPECT_EQ(execs().Start({"one", "e"}).error().code(), ErrorCode::kNotFound);
  agent_.FailMethod("CreateExec", "");
  EXPECT_THAT(Add("e", {.out = "binary:///x"}).error().message(), HasSubstr("no URIs"));
  ASSERT_TRUE(Add("e").ok());
  agent_.FailMethod("StartContainer", "no such program");
  EXPECT_THAT(execs().Start({"one", "e"}).error().message(), HasSubstr("no such program"));
  EXPECT_TRUE(execs().Delete({"one", "e"}).ok()) << "as containerd does then";
  EXPECT_THAT(containerd_->events(), Not(Contains("/tasks/exec-started one/e")));
}

TEST_F(ExecTest, WrongStatesAreToldApart) {
  EXPECT_EQ(pod_->AddExec({.container_id = "none", .exec_id = "e"}).error().code(),
            ErrorCode::kNotFound);
  EXPECT_THAT(pod_->AddExec({.container_id = "pod", .exec_id = "e"}).error().message(),
              HasSubstr("is a sandbox"));
  ASSERT_TRUE(pod_->Create(Container("two")).ok());
  EXPECT_THAT(pod_->AddExec({.container_id = "two", .exec_id = "e"}).error().message(),
              HasSubstr("does not run"));
  ASSERT_TRUE(Add("e").ok());
  EXPECT_EQ(Add("e").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(execs().Kill({"one", "e"}, SIGKILL).error().code(), ErrorCode::kFailedPrecondition)
      << "containerd takes it as nothing to kill";
  ASSERT_TRUE(execs().Start({"one", "e"}).ok());
  EXPECT_EQ(execs().Start({"one", "e"}).error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(execs().Delete({"one", "e"}).error().message(), HasSubstr("is running"));
  ASSERT_TRUE(execs().Kill({"one", "e"}, SIGKILL).ok());
  EXPECT_EQ(execs().Wait({"one", "e"})->status, 137U);
  EXPECT_EQ(execs().Kill({"one", "e"}, SIGKILL).error().code(), ErrorCode::kNotFound);
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  EXPECT_THAT(Add("late").error().message(), HasSubstr("has ended"));
}

TEST_F(ExecTest, AreBoundedInNumberAndSize) {
  for (size_t i = 0; i < kMaxExecs; ++i) ASSERT_TRUE(Add("e" + std::to_string(i)).ok());
  EXPECT_EQ(Add("more").error().code(), ErrorCode::kResourceExhausted);
  ASSERT_TRUE(execs().Delete({"one", "e0"}).ok());
  EXPECT_THAT(pod_->AddExec({.container_id = "one",
                             .exec_id = "e0",
                             .process = std::string(kMaxSpecBytes + 1, ' ')})
                  .error()
                  .message(),
              HasSubstr("larger than 3 MiB"));
  EXPECT_TRUE(Add("e0").ok());
}

TEST_F(ExecTest, EndedOnesThatNobodyDeletesDoNotKeepOthersOut) {
  for (size_t i = 0; i < 2 * kMaxExecs; ++i) {
    const std::string id = "e" + std::to_string(i);
    Run(id);
    agent_.End("one/" + id, 0);
    ASSERT_TRUE(execs().Wait({"one", id}).ok());
  }
  EXPECT_EQ(execs().Wait({"one", "e0"}).error().code(), ErrorCode::kNotFound) << "the oldest";
  EXPECT_TRUE(execs().Wait({"one", "e127"}).ok());
  EXPECT_THAT(agent_.calls(), Contains("DeleteContainer one/e0"));
}

TEST_F(ExecTest, AGuestThatDoesNotTakeSigkillLosesItsVm) {
  for (const bool takes_it : {true, false}) {
    const std::string id = takes_it ? "taken" : "hanging";
    config_.call_timeout = std::chrono::seconds(1);
    if (takes_it) agent_.KeepRunningWhenSignalled();
    if (!takes_it) agent_.HangMethod("SignalContainer");
    NewPod();
    RunSandbox();
    RunContainer("one");
    Run(id);
    ASSERT_TRUE(execs().Kill({"one", id}, SIGKILL).ok());
    EXPECT_EQ(execs().Wait({"one", id})->status, kKilledStatus);
    EXPECT_TRUE(machine_->ended());
  }
}

TEST_F(ExecTest, ARemovalThatHangsEndsTheVmOnlyIfTheGuestAnswersNothingElse) {
  config_.call_timeout = std::chrono::seconds(1);
  NewPod();
  RunSandbox();
  RunContainer("one");
  for (const bool answers : {true, false}) {
    const std::string id = answers ? "busy" : "silent";
    Run(id);
    agent_.End("one/" + id, 0);
    ASSERT_TRUE(execs().Wait({"one", id}).ok());
    agent_.HangMethod("DeleteContainer");
    if (!answers) agent_.HangMethod("GetInfo");
    EXPECT_TRUE(execs().Delete({"one", id}).ok());
    EXPECT_EQ(execs().Wait({"one", id}).error().code(), ErrorCode::kNotFound);
    if (answers) {
      EXPECT_FALSE(machine_->ended());
    } else {
      EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
    }
  }
}

TEST_F(ExecTest, ADeadVmEndsEveryExec) {
  Run("running");
  ASSERT_TRUE(Add("created").ok());
  machine_->PowerOff();
  EXPECT_EQ(execs().Wait({"one", "running"})->status, kKilledStatus);
  EXPECT_EQ(execs().Wait({"one", "created"})->status, kKilledStatus);
  EXPECT_TRUE(containerd_->WaitEvent("/tasks/exit one/running 137"));
  EXPECT_EQ(execs().Start({"one", "created"}).error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(execs().Delete({"one", "running"}).ok());
  EXPECT_TRUE(execs().Delete({"one", "created"}).ok());
  EXPECT_THAT(containerd_->events(), Not(Contains("/tasks/exit one/created 137")));
}

TEST_F(ExecTest, ADeletedContainerTakesItsExecsAlong) {
  Run("running");
  ASSERT_TRUE(Add("created").ok());
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  ASSERT_TRUE(pod_->Delete("one").ok());
  EXPECT_EQ(execs().Wait({"one", "running"}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(execs().Wait({"one", "created"}).error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(machine_->ended());
}

TEST_F(ExecTest, TheServiceTellsExecsFromFirstProcesses) {
  auto make = About<v2::ExecProcessRequest>("");
  make.mutable_spec()->set_value("{}");
  make.set_terminal(true);
  EXPECT_THAT(Call<Empty>("Exec", make).error().message(), HasSubstr("without an ID"));
  make.set_exec_id("e");
  ASSERT_TRUE(Call<Empty>("Exec", make).ok());
  EXPECT_EQ(agent_.spec("one/e"), "{}");
  EXPECT_EQ(Call<v2::StartResponse>("Start", About<v2::StartRequest>("e"))->pid(), 4242U);
  auto resize = About<v2::ResizePtyRequest>("e");
  resize.set_width(77);
  resize.set_height(33);
  EXPECT_TRUE(Call<Empty>("ResizePty", resize).ok());
  EXPECT_THAT(agent_.calls(), Contains("ResizeTerminal one/e 33x77"));
  const auto state = Call<v2::StateResponse>("State", About<v2::StateRequest>("e"));
  EXPECT_EQ(state->exec_id(), "e");
  EXPECT_TRUE(state->terminal());
  EXPECT_EQ(state->status(), ::containerd::v1::types::RUNNING);
  auto close = About<v2::CloseIORequest>("e");
  close.set_stdin(true);
  EXPECT_TRUE(Call<Empty>("CloseIO", close).ok());
  auto kill = About<v2::KillRequest>("e");
  kill.set_signal(SIGTERM);
  kill.set_all(true);
  EXPECT_TRUE(Call<Empty>("Kill", kill).ok());
  EXPECT_EQ(Call<v2::WaitResponse>("Wait", About<v2::WaitRequest>("e"))->exit_status(), 143U);
  EXPECT_EQ(Call<v2::DeleteResponse>("Delete", About<v2::DeleteRequest>("e"))->exit_status(), 143U);
  EXPECT_EQ(Call<v2::StateResponse>("State", About<v2::StateRequest>("e")).error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(Call<v2::StateResponse>("State", About<v2::StateRequest>(""))->status(),
            ::containerd::v1::types::RUNNING)
      << "the container's own";
  EXPECT_TRUE(Call<Empty>("ResizePty", About<v2::ResizePtyRequest>("")).ok()) << "no terminal";
  EXPECT_THAT(agent_.calls(), Not(Contains(HasSubstr("ResizeTerminal one "))));
}

TEST_F(ExecTest, AContainersOwnTerminalIsResized) {
  auto request = Container("tty");
  request.terminal = true;
  ASSERT_TRUE(pod_->Create(request).ok());
  ASSERT_TRUE(pod_->Resize("tty", {.rows = 1, .columns = 2}).ok());
  EXPECT_THAT(agent_.calls(), Contains("ResizeTerminal tty 1x2"));
}

}  // namespace
}  // namespace locket::runtime_shim
