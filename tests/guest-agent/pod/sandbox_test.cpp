// Sandbox, Container and the service on top of them.
#include "guest-agent/pod/sandbox.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/encoding.h"
#include "base/version.h"
#include "tests/guest-agent/pod/sandbox_fixture.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

GuestNetwork SomeNetwork() {
  return {
      .interfaces = {{.mac = {2},
                      .name = "eth0",
                      .mtu = 1500,
                      .addresses = {{.address = std::string("\x0a\0\0\x02", 4), .length = 24}}}},
      .nameservers = {std::string("\x0a\0\0\x01", 4)}};
}

TEST_F(SandboxTest, WithoutTheTenantsLeaveThePodRunsWithoutItsNetwork) {
  Sandbox sandbox({.runtime = *runtime_, .exits = exits_, .volumes = volumes_}, {},
                  {.directory = "/nowhere"});
  const GuestNetwork network = SomeNetwork();
  const auto left_out = sandbox.Create("other", "", &network);
  ASSERT_TRUE(left_out.ok()) << left_out.error().message();
  EXPECT_THAT(*left_out,
              ::testing::ElementsAre(HasSubstr("set allow_network = true in initdata's [agent]")));
  Running("one");
  const auto etc = directory_.path() / "containers/one";
  EXPECT_EQ(ReadFile(etc / "hosts", 200).value(),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 pod-host\n");
  EXPECT_EQ(ReadFile(etc / "resolv.conf", 200).value(), "");
}

TEST_F(SandboxTest, ContainersFindThePodsNetworkInEtc) {
  GuestNetwork done;
  Sandbox sandbox(
      {.runtime = *runtime_, .exits = exits_, .volumes = volumes_},
      [this](const guest_mounter::OpenRequest& request) { return opener_.Open(request); },
      {.directory = directory_.path() / "networked",
       .set_up_network = [&](const GuestNetwork& network) {
         done = network;
         return Ok();
       }});
  const GuestNetwork network = SomeNetwork();
  EXPECT_THAT(sandbox.Create("other", "pod-host", &network).value(), IsEmpty());
  EXPECT_EQ(done, network);
  ASSERT_TRUE(sandbox.PrepareRootfs("one", Request()).ok());
  ASSERT_TRUE(sandbox.Find("one").value()->Create(Spec(), {}, /*with_stdin=*/false).ok());
  const auto etc = directory_.path() / "networked/one";
  EXPECT_EQ(ReadFile(etc / "hosts", 200).value(),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.2 pod-host\n");
  EXPECT_EQ(ReadFile(etc / "resolv.conf", 200).value(), "nameserver 10.0.0.1\n");
}

TEST_F(SandboxTest, WhenTheNetworkFailsNoContainerRuns) {
  Sandbox sandbox({.runtime = *runtime_, .exits = exits_, .volumes = volumes_}, {},
                  {.directory = "/nowhere", .set_up_network = [](const GuestNetwork&) -> Status {
                     return Error(ErrorCode::kNotFound, "no such device");
                   }});
  const GuestNetwork network = SomeNetwork();
  const auto created = sandbox.Create("other", "", &network);
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().message(), "set up the pod's network: no such device");
  EXPECT_EQ(sandbox.PrepareRootfs("one", Request()).error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(SandboxTest, AContainerLivesFromItsRootToItsExit) {
  auto container = Running("one");
  auto& fake = runtime_->containers().at("one");
  EXPECT_TRUE(fake.started);
  const Json config = Json::parse(fake.config);
  EXPECT_EQ(config.at("process").at("args"), Json({"/bin/app"}));
  EXPECT_EQ(config.at("hostname"), "pod-host") << "the sandbox's, as the spec names none";
  EXPECT_THAT(config.at("process").at("env"), ::testing::Contains("HOSTNAME=pod-host"));
  EXPECT_EQ(ReadFile(directory_.path() / "containers/one/hostname", 100).value(), "pod-host\n");

  ASSERT_TRUE(WriteFull(fake.stdout_fd.get(), AsBytes("output")).ok());
  EXPECT_EQ(container->Read(OutputStream::kStdout, 3)->data, "out");
  EXPECT_EQ(container->Read(OutputStream::kStdout, 100)->data, "put");
  runtime_->End("one", W_EXITCODE(7, 0));
  EXPECT_TRUE(container->Read(OutputStream::kStdout, 100)->end);
  EXPECT_TRUE(container->Read(OutputStream::kStderr, 100)->end);
  EXPECT_EQ(container->Wait()->exit_status, 7);
  EXPECT_EQ(container->Wait()->exit_status, 7) << "as often as one asks";
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(SandboxTest, AFailedContainerSaysWhetherItRanOutOfMemory) {
  auto container = Running("one");
  runtime_->containers().at("one").oom_killed = true;
  runtime_->End("one", W_EXITCODE(0, SIGKILL));
  EXPECT_EQ(container->Wait()->exit_status, 137);
  EXPECT_TRUE(container->Wait()->oom_killed);
  container = Running("two");
  runtime_->End("two", W_EXITCODE(0, SIGKILL));
  EXPECT_FALSE(container->Wait()->oom_killed);
  container = Running("three");
  runtime_->containers().at("three").oom_killed = true;
  runtime_->End("three", 0);
  EXPECT_FALSE(container->Wait()->oom_killed) << "it got over what it lost";
}

TEST_F(SandboxTest, CorruptionFailsTheContainerAndStandsLastOnItsErrors) {
  auto container = Running("one");
  ASSERT_TRUE(
      WriteFull(runtime_->containers().at("one").stderr_fd.get(), AsBytes("its own\n")).ok());
  dm_.SetVerityStatus("C");
  runtime_->End("one", 0);
  EXPECT_EQ(container->Wait()->exit_status, 74) << "although it said 0";
  EXPECT_EQ(container->Read(OutputStream::kStderr, 100)->data, "its own\n");
  EXPECT_EQ(container->Read(OutputStream::kStderr, 1000)->data,
            "locket: layer " + layer_.digest.ToText() + ": dm-verity found corrupted data\n");
  EXPECT_TRUE(container->Read(OutputStream::kStderr, 100)->end);
}

TEST_F(SandboxTest, CorruptionExplainsAFailedCreateAndAFailedStart) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  auto container = sandbox_->Find("one").value();
  dm_.SetVerityStatus("C");
  runtime_->FailCall(1);
  EXPECT_THAT(container->Create(Spec(), {}, false).error().message(),
              HasSubstr("dm-verity found corrupted data"));
  ASSERT_TRUE(container->Create(Spec(), {}, false).ok());
  runtime_->FailCall(1);
  EXPECT_THAT(container->Start().error().message(), HasSubstr("dm-verity found corrupted data"));
}

TEST_F(SandboxTest, AFailureToCreateCanBeRepeated) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  auto container = sandbox_->Find("one").value();
  EXPECT_FALSE(container->Create("{", {}, false).ok());
  EXPECT_EQ(container->Create(Spec({"/bin/other"}), {}, false).error().code(),
            ErrorCode::kPermissionDenied);
  runtime_->FailCall(1);
  EXPECT_EQ(container->Create(Spec(), {}, false).error().message(), "injected");
  EXPECT_TRUE(container->Create(Spec(), {}, false).ok());
  EXPECT_EQ(container->Create(Spec(), {}, false).error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(SandboxTest, InputReachesTheContainerUntilItIsClosed) {
  auto container = Running("one", /*with_stdin=*/true);
  ASSERT_TRUE(container->WriteInput("hello").ok());
  container->CloseInput();
  std::string text(5, '\0');
  const int input = runtime_->containers().at("one").stdin_fd.get();
  ASSERT_TRUE(ReadFull(input, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "hello");
  char more = 0;
  EXPECT_EQ(::read(input, &more, 1), 0);
  EXPECT_THAT(container->WriteInput("x").error().message(), HasSubstr("no standard input"));
}

TEST_F(SandboxTest, InputOfTheHostNeedsTheTenantsWord) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  auto container = sandbox_->Find("one").value();
  const auto refused = container->Create(Spec(), {}, /*with_stdin=*/true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("set allow_stdin = true in initdata's [agent]"));
  ASSERT_TRUE(container->Create(Spec(), {}, /*with_stdin=*/false).ok());
  EXPECT_THAT(container->WriteInput("x").error().message(), HasSubstr("no standard input"));
}

TEST_F(SandboxTest, HiddenOutputEndsAtOnceAndTheContainerRunsOn) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  auto container = sandbox_->Find("one").value();
  ASSERT_TRUE(container->Create(Spec(), {.hide_output = true}, /*with_stdin=*/false).ok());
  ASSERT_TRUE(container->Start().ok());
  auto& fake = runtime_->containers().at("one");
  ASSERT_TRUE(WriteFull(fake.stdout_fd.get(), AsBytes("secret")).ok());
  ASSERT_TRUE(WriteFull(fake.stderr_fd.get(), AsBytes("secret")).ok());
  EXPECT_TRUE(container->Read(OutputStream::kStdout, 100)->end);
  dm_.SetVerityStatus("C");
  runtime_->End("one", 0);
  // What the guest itself has to say is no secret.
  EXPECT_THAT(container->Read(OutputStream::kStderr, 100)->data, HasSubstr("locket: layer "));
  EXPECT_TRUE(container->Read(OutputStream::kStderr, 100)->end);
}

TEST_F(SandboxTest, SignalsGoToWhatRunsOnly) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("prepared", Request()).ok());
  EXPECT_EQ(sandbox_->Find("prepared").value()->Signal(SIGTERM, false).error().code(),
            ErrorCode::kFailedPrecondition);
  auto container = Running("one");
  EXPECT_TRUE(container->Signal(SIGTERM, true).ok());
  EXPECT_EQ(container->Signal(0, false).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(container->Signal(1000, false).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(container->Signal(SIGKILL, false).ok());
  EXPECT_EQ(container->Wait()->exit_status, 128 + SIGKILL);
  EXPECT_EQ(container->Signal(SIGTERM, false).error().code(), ErrorCode::kNotFound);
}

TEST_F(SandboxTest, DeleteEndsWhatRunsAndWhoeverWaits) {
  auto container = Running("one");
  std::thread waiter([&] { EXPECT_EQ(container->Wait()->exit_status, 128 + SIGKILL); });
  std::thread reader([&] { EXPECT_TRUE(container->Read(OutputStream::kStdout, 10)->end); });
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  waiter.join();
  reader.join();
  EXPECT_TRUE(NothingIsLeft());
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  EXPECT_EQ(sandbox_->Find("one").error().code(), ErrorCode::kNotFound);
}

TEST_F(SandboxTest, DeleteThatFailsCanBeRepeated) {
  Running("one");
  runtime_->FailCall(1);
  EXPECT_FALSE(sandbox_->Delete("one").ok());
  EXPECT_TRUE(sandbox_->Find("one").ok());
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(SandboxTest, APreparedRootIsUndoneToo) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  EXPECT_EQ(sandbox_->Find("one").value()->Wait().error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(SandboxTest, NamesAreUsedOnceAndFreedByFailure) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  EXPECT_EQ(sandbox_->PrepareRootfs("one", Request()).error().code(), ErrorCode::kAlreadyExists);
  mounts_.FailCall(1);
  EXPECT_FALSE(sandbox_->PrepareRootfs("two", Request()).ok());
  EXPECT_TRUE(sandbox_->PrepareRootfs("two", Request()).ok());
}

TEST_F(SandboxTest, NamesThatAreNoNamesAreRefused) {
  for (const std::string id : {"", ".", "..", "../x", "a/b", "-rf", "a b", "\n"}) {
    EXPECT_EQ(sandbox_->PrepareRootfs(id, Request()).error().code(), ErrorCode::kInvalidArgument)
        << id;
  }
  EXPECT_FALSE(CheckContainerId(std::string(101, 'a')).ok());
  EXPECT_TRUE(CheckContainerId(std::string(100, 'a')).ok());
  EXPECT_FALSE(CheckHostname("a\nb").ok());
  EXPECT_FALSE(CheckHostname(std::string(64, 'a')).ok());
}

TEST_F(SandboxTest, AHostnameThatIsNoneIsRefused) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  const std::string spec =
      Json({{"hostname", "a\nb"}, {"process", {{"args", {"/bin/app"}}}}}).dump();
  EXPECT_EQ(sandbox_->Find("one").value()->Create(spec, {}, false).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(SandboxTest, ThereIsOneSandboxAndItComesFirst) {
  EXPECT_EQ(sandbox_->Create("pod", "").error().code(), ErrorCode::kAlreadyExists);
  Sandbox fresh({.runtime = *runtime_, .exits = exits_, .volumes = volumes_}, nullptr,
                {.directory = "/nowhere"});
  EXPECT_EQ(fresh.PrepareRootfs("one", Request()).error().message(), "CreateSandbox comes first");
}

TEST_F(SandboxTest, ContainersThatNameTheSameEmptyVolumeShareIt) {
  const auto spec = [](const std::string& volume, const std::string& destination) {
    const std::string source = "/k/pods/u/volumes/kubernetes.io~empty-dir/" + volume;
    return Json({{"process", {{"args", {"/bin/app"}}}},
                 {"mounts", {{{"destination", destination}, {"source", source}}}}})
        .dump();
  };
  const initdata::GuestPolicy policy{.every_image = {.allow_volumes = {"/data", "/cache"}}};
  const auto source_of = [&](const std::string& id, const std::string& host_request) {
    EXPECT_TRUE(sandbox_->PrepareRootfs(id, Request()).ok());
    const auto created = sandbox_->Find(id).value()->Create(host_request, policy, false);
    EXPECT_TRUE(created.ok()) << created.error().message();
    return Json::parse(runtime_->containers().at(id).config).at("mounts").back().at("source");
  };
  const Json first = source_of("one", spec("shared", "/data"));
  EXPECT_EQ(source_of("two", spec("shared", "/cache")), first);
  EXPECT_NE(source_of("three", spec("own", "/data")), first);
  EXPECT_TRUE(sandbox_->Delete("one").ok());
  EXPECT_TRUE(std::filesystem::exists(first.get<std::string>())) << "it is the pod's";
}

TEST_F(SandboxTest, AnEmptyVolumeThatCannotBeMadeFailsTheContainer) {
  ASSERT_TRUE(sandbox_->PrepareRootfs("one", Request()).ok());
  mounts_.FailCall(1);
  const auto created = sandbox_->Find("one").value()->Create(
      R"({"process":{"args":["/bin/app"]},"mounts":[{"destination":"/data",
          "source":"/pods/u/volumes/kubernetes.io~empty-dir/v"}]})",
      {.every_image = {.allow_volumes = {"/data"}}}, false);
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().message(), "volume 'v': injected");
  EXPECT_TRUE(runtime_->containers().empty());
}

TEST_F(SandboxTest, WithAScratchContainersWriteToItAndNotToMemory) {
  int opened = 0;
  const auto open_scratch = [&]() -> Result<std::unique_ptr<guest_mounter::Scratch>> {
    if (++opened == 1) return Error(ErrorCode::kUnavailable, "scratch: injected");
    disks_.Plug("locket-scratch", {.path = "/dev/sdz", .size_bytes = 64 << 20});
    return guest_mounter::Scratch::Open(
        {.dm = dm_, .mounts = mounts_, .disks = disks_, .clock = clock_},
        [](const std::string&) { return Ok(); }, {.directory = directory_.path() / "scratch"});
  };
  auto sandbox = std::make_unique<Sandbox>(
      ContainerSeams{.runtime = *runtime_, .exits = exits_, .volumes = volumes_},
      [this](const guest_mounter::OpenRequest& request) { return opener_.Open(request); },
      SandboxOptions{.directory = directory_.path() / "containers", .scratch = open_scratch});
  EXPECT_EQ(sandbox->OpenScratch().error().message(), "scratch: injected");
  EXPECT_EQ(sandbox->PrepareRootfs("one", Request()).error().message(),
            "CreateSandbox comes first");
  ASSERT_TRUE(sandbox->OpenScratch().ok());
  ASSERT_TRUE(sandbox->OpenScratch().ok()) << "again, as Create may have failed";
  ASSERT_TRUE(sandbox->Create("pod", "").ok());
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(sandbox->OpenScratch().error().code(), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(sandbox->PrepareRootfs("one", Request()).ok());
  EXPECT_THAT(mounts_.mounts().back().data,
              HasSubstr("upperdir=" + (directory_.path() / "scratch").string()));
  EXPECT_TRUE(sandbox->Delete("one").ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path() / "scratch"));
  sandbox.reset();
  EXPECT_TRUE(NothingIsLeft());
}

TEST_F(SandboxTest, ACommandOfAnImageThatIsOnlyKeyedIsTheHostsWord) {
  guest_mounter::AcceptedImage keyed{
      .manifest_digest = image_.digest(),
      .config = {.architecture = "amd64", .os = "linux", .diff_ids = {}},
      .layers = {},
      .pinned = false};
  keyed.config.entrypoint = {"/bin/app"};
  keyed.config.env = {"LD_PRELOAD=/x"};
  keyed.config.user = "5:6";
  const auto process = ProcessOf(keyed);
  ASSERT_TRUE(process.ok());
  EXPECT_THAT(process->argv, IsEmpty());
  EXPECT_THAT(process->env, IsEmpty());
  EXPECT_EQ(process->uid, 5U);
  keyed.pinned = true;
  EXPECT_EQ(ProcessOf(keyed)->argv, std::vector<std::string>{"/bin/app"});
  keyed.config.user = "root";
  EXPECT_FALSE(ProcessOf(keyed).ok()) << "sealing resolves names; a name here is refused";
}

TEST_F(AgentServiceTest, ServesEveryMethodOfTheContract) {
  const auto* service = api::GetInfoRequest::descriptor()->file()->FindServiceByName("Agent");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(service->full_name(), "locket.agent.v1.Agent");
  for (int i = 0; i < service->method_count(); ++i) {
    EXPECT_NE(methods_.Find(service->full_name(), service->method(i)->name()), nullptr)
        << service->method(i)->name();
  }
}

TEST_F(AgentServiceTest, GetInfoTellsTheVersions) {
  const auto info = Call<api::GetInfoResponse>("GetInfo", api::GetInfoRequest());
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->version(), kVersion);
  EXPECT_EQ(info->protocol(), 1U);
}

TEST_F(AgentServiceTest, AContainerRunsThroughTheService) {
  api::PrepareRootfsRequest prepare;
  prepare.set_container_id("one");
  prepare.set_manifest(image_.manifest);
  prepare.set_config(image_.config);
  const auto prepared = Call<api::PrepareRootfsResponse>("PrepareRootfs", prepare);
  ASSERT_TRUE(prepared.ok()) << prepared.error().message();
  api::CreateContainerRequest create;
  create.set_container_id("one");
  create.set_oci_spec(Spec());
  ASSERT_TRUE(Call<api::CreateContainerResponse>("CreateContainer", create).ok());
  api::StartContainerRequest start;
  start.set_container_id("one");
  ASSERT_TRUE(Call<api::StartContainerResponse>("StartContainer", start).ok());
  EXPECT_TRUE(runtime_->containers().at("one").started);
  runtime_->End("one", W_EXITCODE(3, 0));
  api::WaitContainerRequest wait;
  wait.set_container_id("one");
  const auto waited = Call<api::WaitContainerResponse>("WaitContainer", wait);
  EXPECT_EQ(waited->exit_status(), 3U);
  EXPECT_GT(waited->exited_at().seconds(), 0);
}

TEST_F(AgentServiceTest, ReadsAreBounded) {
  for (const uint32_t bytes : {0U, (1U << 20) + 1}) {
    api::ReadOutputRequest read;
    read.set_container_id("one");
    read.set_max_bytes(bytes);
    EXPECT_EQ(Call<api::ReadOutputResponse>("ReadOutput", read).error().code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST_F(AgentServiceTest, ARefusalNamesTheImage) {
  api::PrepareRootfsRequest prepare;
  prepare.set_container_id("one");
  prepare.set_image_ref("registry/app:1");
  EXPECT_THAT(Call<api::PrepareRootfsResponse>("PrepareRootfs", prepare).error().message(),
              HasSubstr("open image 'registry/app:1': "));
}

TEST_F(AgentServiceTest, ShutdownEndsTheContainersFirst) {
  Running("one");
  ASSERT_TRUE(Call<api::ShutdownResponse>("Shutdown", api::ShutdownRequest()).ok());
  EXPECT_EQ(shutdowns_, 1);
  EXPECT_TRUE(NothingIsLeft());
}

}  // namespace
}  // namespace locket::guest_agent
