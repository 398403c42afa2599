// Execs and terminals of containers, as the sandbox and the service have them.
#include <sys/wait.h>

#include <csignal>
#include <thread>

#include "base/encoding.h"
#include "tests/guest-agent/pod/sandbox_fixture.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

TEST_F(SandboxTest, AnExecNeedsAContainerThatRuns) {
  const std::string process = Process({"/bin/check"});
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  const auto container = sandbox_->Find("one").value();
  EXPECT_THAT(container->CreateExec("e", process, exec_policy_, false).error().message(),
              HasSubstr("does not run"));
  ASSERT_TRUE(container->Create(Spec(), {}, false).ok());
  EXPECT_THAT(container->CreateExec("e", process, exec_policy_, false).error().message(),
              HasSubstr("does not run"));
  ASSERT_TRUE(container->Start().ok());
  EXPECT_TRUE(container->CreateExec("e", process, exec_policy_, false).ok());
  runtime_->End("one", 0);
  ASSERT_TRUE(container->Wait().ok());
  const auto late = container->CreateExec("late", process, exec_policy_, false);
  EXPECT_EQ(late.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(late.error().message(), HasSubstr("container 'one' has ended"));
  EXPECT_THAT(sandbox_->FindProcess("one", "e").value()->Start().error().message(),
              HasSubstr("is not running"))
      << "created before, started too late";
}

TEST_F(SandboxTest, AnExecIsCheckedBeforeItExists) {
  const auto container = Running("one");
  const auto why = [&](const std::string& id, const std::string& process, bool with_stdin) {
    const Status made = container->CreateExec(
        id, process, {.every_image = {.allow_exec = {{"/bin/check"}}}}, with_stdin);
    return made.ok() ? "nothing" : made.error().message();
  };
  const std::string good = Process({"/bin/check"});
  EXPECT_THAT(why("../e", good, false), HasSubstr("exec ID: "));
  EXPECT_THAT(why("e", "{", false), HasSubstr("the document is not a JSON object"));
  EXPECT_THAT(why("e", Process({"/bin/sh"}), false), HasSubstr("allow_exec"));
  EXPECT_THAT(why("e", good, true), HasSubstr("allow_stdin = true"));
  EXPECT_THAT(why("e", R"({"args":["/bin/check"],"terminal":true})", false),
              HasSubstr("run it without tty"));
  EXPECT_EQ(why("e", good, false), "nothing");
  EXPECT_THAT(why("e", good, false), HasSubstr("exec 'e' exists"));
}

TEST_F(SandboxTest, HiddenOutputHidesThatOfExecsToo) {
  const auto container = Running("one");
  initdata::GuestPolicy policy = exec_policy_;
  policy.hide_output = true;
  ASSERT_TRUE(container->CreateExec("e", Process({"/bin/check"}), policy, false).ok());
  const auto exec = sandbox_->FindProcess("one", "e").value();
  ASSERT_TRUE(exec->Start().ok());
  ASSERT_TRUE(WriteFull(runtime_->execs().at("e").stdout_fd.get(), AsBytes("secret")).ok());
  EXPECT_TRUE(exec->Read(OutputStream::kStdout, 10)->end);
}

TEST_F(SandboxTest, DeletingAContainerEndsItsExecs) {
  const auto container = Running("one");
  ASSERT_TRUE(container->CreateExec("e", Process({"/bin/check"}), exec_policy_, false).ok());
  const auto exec = sandbox_->FindProcess("one", "e").value();
  ASSERT_TRUE(exec->Start().ok());
  std::thread reader([&] { EXPECT_TRUE(exec->Read(OutputStream::kStdout, 10)->end); });
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  reader.join();
  EXPECT_EQ(exec->Wait()->exit_status, 128 + SIGKILL);
  EXPECT_EQ(container->FindExec("e").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(SandboxTest, AContainerMayHaveATerminal) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  const auto container = sandbox_->Find("one").value();
  const std::string spec = Json({{"process", {{"args", {"/bin/app"}}, {"terminal", true}}}}).dump();
  EXPECT_THAT(container->Create(spec, {}, false).error().message(), HasSubstr("without tty"));
  ASSERT_TRUE(container->Create(spec, {.allow_stdin = true}, false).ok());
  ASSERT_TRUE(container->Start().ok());
  const int slave = runtime_->containers().at("one").stdout_fd.get();
  ASSERT_TRUE(WriteFull(slave, AsBytes("x")).ok());
  EXPECT_EQ(container->Read(OutputStream::kStdout, 10)->data, "x");
  EXPECT_TRUE(container->Resize({.rows = 3, .columns = 4}).ok());
  dm_.SetVerityStatus("C");
  runtime_->End("one", 0);
  EXPECT_THAT(container->Read(OutputStream::kStdout, 1000)->data, HasSubstr("locket: layer "))
      << "there is no other stream to say it on";
}

TEST_F(AgentServiceTest, AnExecRunsThroughTheService) {
  const auto container = Running("one");
  const auto make = [&](const std::string& id) {
    api::CreateExecRequest create;
    create.set_container_id("one");
    create.set_exec_id(id);
    create.set_process(Process({"/bin/check"}));
    return Call<api::CreateExecResponse>("CreateExec", create);
  };
  EXPECT_THAT(make("e").error().message(), HasSubstr("allow_exec")) << "this policy has none";
  ASSERT_TRUE(container->CreateExec("e", Process({"/bin/check"}), exec_policy_, true).ok());
  const auto named = [](auto request) {
    request.set_container_id("one");
    request.set_exec_id("e");
    return request;
  };
  EXPECT_FALSE(runtime_->execs().contains("e"));
  const auto start = named(api::StartContainerRequest());
  ASSERT_TRUE(Call<api::StartContainerResponse>("StartContainer", start).ok());
  EXPECT_TRUE(runtime_->execs().contains("e"));
  auto resize = named(api::ResizeTerminalRequest());
  EXPECT_THAT(Call<api::ResizeTerminalResponse>("ResizeTerminal", resize).error().message(),
              HasSubstr("no terminal to resize"));
  resize.set_rows(65536);
  EXPECT_THAT(Call<api::ResizeTerminalResponse>("ResizeTerminal", resize).error().message(),
              HasSubstr("at most 65535"));
  auto write = named(api::WriteInputRequest());
  write.set_data("x");
  EXPECT_TRUE(Call<api::WriteInputResponse>("WriteInput", write).ok());
  EXPECT_TRUE(Call<api::CloseInputResponse>("CloseInput", named(api::CloseInputRequest())).ok());
  auto signal = named(api::SignalContainerRequest());
  signal.set_signal(SIGKILL);
  EXPECT_TRUE(Call<api::SignalContainerResponse>("SignalContainer", signal).ok());
  const auto wait = named(api::WaitContainerRequest());
  EXPECT_EQ(Call<api::WaitContainerResponse>("WaitContainer", wait)->exit_status(), 137U);
  auto read = named(api::ReadOutputRequest());
  read.set_max_bytes(1);
  EXPECT_TRUE(Call<api::ReadOutputResponse>("ReadOutput", read)->eof());
  const auto remove = named(api::DeleteContainerRequest());
  EXPECT_TRUE(Call<api::DeleteContainerResponse>("DeleteContainer", remove).ok());
  EXPECT_EQ(Call<api::WaitContainerResponse>("WaitContainer", wait).error().code(),
            ErrorCode::kNotFound);
  EXPECT_FALSE(runtime_->containers().at("one").ended) << "the container goes on";
}

}  // namespace
}  // namespace locket::guest_agent
