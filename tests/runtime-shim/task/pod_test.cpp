#include "runtime-shim/task/pod.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <set>

#include "base/encoding.h"
#include "initdata/initdata.h"
#include "runtime-shim/vm/guest_text.h"
#include "tests/runtime-shim/task/pod_fixture.h"

namespace locket::runtime_shim {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(PodTest, ASandboxBootsTheGuestImage) {
  RunSandbox();
  EXPECT_TRUE(machine_->resumed());
  EXPECT_EQ(machine_->spec.cmdline, "quiet locket.tee=none");
  EXPECT_EQ(machine_->spec.kernel, Path("guest/vmlinuz"));
  EXPECT_EQ(machine_->spec.dir, Path("state/pod"));
  EXPECT_FALSE(machine_->spec.emulator.has_value());
  EXPECT_THAT(agent_.calls(), ElementsAre("GetInfo", "CreateSandbox pod"));
  EXPECT_EQ(pod_->State("pod")->status, TaskStatus::kRunning);
  EXPECT_EQ(pod_->State("pod")->pid, 4242U);
}

TEST_F(PodTest, AContainerLivesFromCreateToDelete) {
  RunSandbox();
  RunContainer("one");
  EXPECT_THAT(agent_.calls(), Contains("StartContainer one"));
  EXPECT_THAT(agent_.layers("one"),
              ElementsAre(DigestOf('a') + " layer-0", DigestOf('b') + " layer-1"));
  EXPECT_THAT(agent_.spec("one"), HasSubstr("r/app:1"));
  EXPECT_THAT(machine_->disks(), SizeIs(2));
  agent_.End("one", 7);
  EXPECT_EQ(pod_->Wait("one")->status, 7U);
  EXPECT_EQ(pod_->State("one")->status, TaskStatus::kStopped);
  const auto deleted = pod_->Delete("one");
  ASSERT_TRUE(deleted.ok()) << deleted.error().message();
  EXPECT_EQ(deleted->exit->status, 7U);
  EXPECT_THAT(machine_->disks(), IsEmpty());
  EXPECT_THAT(agent_.calls(), Contains("DeleteContainer one"));
  EXPECT_EQ(pod_->State("one").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(containerd_->WaitEvent("/tasks/delete one 7"));
  EXPECT_THAT(containerd_->events(),
              ElementsAre("/tasks/create pod", "/tasks/start pod", "/tasks/create one",
                          "/tasks/start one", "/tasks/exit one 7", "/tasks/delete one 7"));
}

TEST_F(PodTest, WantOfMemoryIsSaidBeforeTheExit) {
  RunSandbox();
  RunContainer("one");
  agent_.End("one", 137, /*oom_killed=*/true);
  EXPECT_EQ(pod_->Wait("one")->status, 137U);
  EXPECT_TRUE(containerd_->WaitEvent("/tasks/exit one 137"));
  EXPECT_THAT(containerd_->events(),
              ElementsAre("/tasks/create pod", "/tasks/start pod", "/tasks/create one",
                          "/tasks/start one", "/tasks/oom one", "/tasks/exit one 137"));
}

TEST_F(PodTest, LayersAreSharedWithinThePod) {
  RunSandbox();
  RunContainer("one", "ab");
  RunContainer("two", "bc");
  EXPECT_THAT(machine_->disks(), SizeIs(3));
  ASSERT_TRUE(pod_->Kill("one", SIGKILL, false).ok());
  EXPECT_EQ(pod_->Wait("one")->status, 137U);
  ASSERT_TRUE(pod_->Delete("one").ok());
  EXPECT_THAT(machine_->disks(), SizeIs(2)) << "b is still in use";
  RunContainer("three", "bb");
  EXPECT_THAT(machine_->disks(), SizeIs(2));
}

TEST_F(PodTest, WhatTheGuestLeavesOutIsLoggedOnTheHost) {
  RunSandbox();
  agent_.SetLeftOut({"mount at '/data'", "rlimit 'X'"});
  ::testing::internal::CaptureStderr();
  RunContainer("one");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(R"(left_out="mount at '/data', rlimit 'X'")"));
  agent_.SetLeftOut(std::vector<std::string>(100, std::string(1000, 'x')));
  ::testing::internal::CaptureStderr();
  RunContainer("two");
  EXPECT_LT(::testing::internal::GetCapturedStderr().size(), 6000U) << "a guest fills no log";
}

TEST_F(PodTest, WhatAGuestSaysIsCut) {
  RunSandbox();
  std::string long_text;
  for (int i = 0; i < 100'000; ++i) long_text += "\xc3\xa4";  // two bytes each
  agent_.FailMethod("PrepareRootfs", long_text);
  const auto created = pod_->Create(Container("one"));
  ASSERT_FALSE(created.ok());
  EXPECT_LT(created.error().message().size(), 5000U);
  EXPECT_THAT(created.error().message(), ::testing::EndsWith("\xc3\xa4..."));
  for (size_t odd = 0; odd < 4; ++odd) {
    const std::string cut = GuestText(std::string(odd, 'x') + long_text);
    EXPECT_LE(cut.size(), kMaxGuestText + 3);
    EXPECT_EQ((cut.size() - odd - 3) % 2, 0U) << "no half character";
  }
  EXPECT_EQ(GuestText("short"), "short");
}

TEST_F(PodTest, NothingOfAContainerStaysWhicheverStepFails) {
  RunSandbox();
  for (const char* method : {"PrepareRootfs", "CreateContainer"}) {
    agent_.FailMethod(method, "the policy says no");
    const auto created = pod_->Create(Container("one"));
    ASSERT_FALSE(created.ok());
    EXPECT_THAT(created.error().message(), HasSubstr("the policy says no"));
    EXPECT_THAT(machine_->disks(), IsEmpty());
    EXPECT_THAT(agent_.calls().back(), "DeleteContainer one");
    EXPECT_EQ(pod_->State("one").error().code(), ErrorCode::kNotFound);
    agent_.FailMethod(method, "");
  }
  for (int nth = 1; nth <= 2; ++nth) {
    machine_->FailDisk(nth);
    const auto created = pod_->Create(Container("one"));
    ASSERT_FALSE(created.ok());
    EXPECT_THAT(created.error().message(), HasSubstr("disk call made to fail"));
    EXPECT_THAT(machine_->disks(), IsEmpty()) << nth;
  }
  RunContainer("one");
}

TEST_F(PodTest, ALayerThatIsThereTwiceIsOneDisk) {
  RunSandbox();
  RunContainer("one", "aba");
  EXPECT_THAT(machine_->disks(), SizeIs(2));
  EXPECT_THAT(agent_.layers("one"),
              ElementsAre(DigestOf('a') + " layer-0", DigestOf('b') + " layer-1",
                          DigestOf('a') + " layer-0"));
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  ASSERT_TRUE(pod_->Delete("one").ok());
  EXPECT_THAT(machine_->disks(), IsEmpty());
}

TEST_F(PodTest, EachPlugHasASerialOfItsOwn) {
  RunSandbox();
  std::set<std::string> serials;
  for (int i = 0; i < 5; ++i) {
    RunContainer("one", "a");
    EXPECT_TRUE(serials.insert(machine_->disks().begin()->second.serial).second) << i;
    agent_.End("one", 0);
    ASSERT_TRUE(pod_->Wait("one").ok());
    ASSERT_TRUE(pod_->Delete("one").ok());
  }
}

TEST_F(PodTest, ADiskThatDoesNotLeaveIsOfNoUseToTheNextContainer) {
  RunSandbox();
  RunContainer("one", "a");
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  machine_->FailDisk(1);
  ASSERT_TRUE(pod_->Delete("one").ok());
  EXPECT_THAT(machine_->disks(), SizeIs(1));
  RunContainer("two", "a");
  EXPECT_THAT(agent_.layers("two"), ElementsAre(DigestOf('a') + " layer-1"));
  EXPECT_THAT(machine_->disks(), SizeIs(2));
  EXPECT_FALSE(machine_->ended());
}

TEST_F(PodTest, AHypervisorThatDoesNotAnswerEndsThePod) {
  for (const bool while_attaching : {true, false}) {
    RunSandbox();
    if (!while_attaching) {
      RunContainer("one", "a");
      agent_.End("one", 0);
      ASSERT_TRUE(pod_->Wait("one").ok());
    }
    machine_->FailDisk(1, ErrorCode::kDeadlineExceeded);
    EXPECT_EQ(while_attaching ? pod_->Create(Container("one")).ok() : pod_->Delete("one").ok(),
              !while_attaching);
    EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
    ASSERT_TRUE(pod_->Delete("pod").ok());
  }
}

TEST_F(PodTest, AnUnsealedImageIsRefusedByName) {
  RunSandbox();
  auto request = Container("one");
  request.rootfs_options = {"rw"};
  const auto created = pod_->Create(request);
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("image 'r/app:1' is not sealed"));
}

TEST_F(PodTest, ADeadVmEndsEveryTask) {
  RunSandbox();
  RunContainer("one");
  machine_->PowerOff();
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  EXPECT_TRUE(containerd_->WaitEvent("/tasks/exit one 137"));
  EXPECT_TRUE(containerd_->WaitEvent("/tasks/exit pod 137"));
  EXPECT_TRUE(pod_->Delete("one").ok());
  EXPECT_TRUE(pod_->Delete("pod").ok());
  EXPECT_TRUE(pod_->empty());
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(PodTest, ADeadAgentEndsTheVm) {
  RunSandbox();
  RunContainer("one");
  agent_.Die();
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  EXPECT_TRUE(machine_->ended());
}

TEST_F(PodTest, AKernelPanicEndsTheVm) {
  RunSandbox();
  ASSERT_TRUE(WriteFull(console_.get(), AsBytes("Kernel panic - not syncing: oops\n")).ok());
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  const auto created = pod_->Create(Container("late"));
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("Kernel panic - not syncing: oops"));
}

TEST_F(PodTest, AGuestThatSaysNothingIsGivenUpWithItsConsole) {
  with_agent_ = false;
  config_.boot_timeout = seconds(1);
  on_launch_ = [this] { ASSERT_TRUE(WriteFull(console_.get(), AsBytes("early words\n")).ok()); };
  const auto created = pod_->Create(Sandbox());
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(created.error().message(), HasSubstr("did not answer within 1 s"));
  EXPECT_THAT(created.error().message(), HasSubstr("early words"));
  EXPECT_TRUE(machine_->ended());
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
  EXPECT_TRUE(pod_->empty());
}

TEST_F(PodTest, AScratchDiskGoesWithTheLaunchAndTheGuestIsTold) {
  config_.scratch_mib = 16;
  config_.scratch_dir = Path("scratch");
  uintmax_t size_at_launch = 0;
  on_launch_ = [&] {
    ASSERT_TRUE(machine_->spec.scratch.has_value());
    size_at_launch = std::filesystem::file_size(machine_->spec.scratch->path);
  };
  RunSandbox();
  EXPECT_EQ(size_at_launch, 16U << 20);
  EXPECT_EQ(machine_->spec.scratch->serial, "locket-scratch");
  EXPECT_THAT(agent_.calls(), Contains("CreateSandbox pod with scratch"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("scratch")));
  for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(fd.path(), gone).string();
    EXPECT_FALSE(target.starts_with(Path("scratch"))) << "QEMU alone holds it: " << target;
  }
}

TEST_F(PodTest, AScratchThereIsNoRoomForRefusesThePod) {
  config_.scratch_mib = UINT32_MAX;
  config_.scratch_dir = Path("scratch");
  const auto created = pod_->Create(Sandbox());
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(
      created.error().message(),
      AllOf(HasSubstr("boot the VM of pod 'pod': make a scratch disk"), HasSubstr("has room for")));
  EXPECT_FALSE(std::filesystem::exists(Path("state/pod")));
}

TEST_F(PodTest, AGuestThatDiesWhileBootingIsNamedAtOnce) {
  with_agent_ = false;
  on_launch_ = [this] { machine_->PowerOff("QEMU exited with status 3"); };
  const auto created = pod_->Create(Sandbox());
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("QEMU exited with status 3"));
  EXPECT_THAT(containerd_->events(), IsEmpty());
}

TEST_F(PodTest, AnAgentOfAnotherProtocolIsRefused) {
  agent_.SetProtocol(2);
  const auto created = pod_->Create(Sandbox());
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("speaks protocol 2, this shim 1"));
}

TEST_F(PodTest, AMissingGuestImageIsNamed) {
  config_.guest_image_dir = Path("nowhere");
  const auto created = pod_->Create(Sandbox());
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr(Path("nowhere")));
}

TEST_F(PodTest, InitdataReachesTheVmAndTheLaunch) {
  const std::string toml =
      "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n\"locket.toml\" = \"\"\n";
  config_.tee = Tee::kEmulated;
  config_.tee_emulator = "/bin/true";
  config_.tee_emulator_dir = Path("keys");
  const auto annotation = initdata::EncodeInitdataAnnotation(toml);
  ASSERT_TRUE(annotation.ok());
  const auto created =
      pod_->Create(Sandbox({{"io.katacontainers.config.hypervisor.cc_init_data", *annotation}}));
  ASSERT_TRUE(created.ok()) << created.error().message();
  ASSERT_TRUE(machine_->spec.initdata.has_value());
  EXPECT_EQ(machine_->spec.initdata->serial, "locket-initdata");
  const auto device = ReadFile(machine_->spec.initdata->path, 1U << 20).value();
  EXPECT_EQ(device.size() % 512, 0U);
  EXPECT_EQ(initdata::DecodeInitdataDevice(AsBytes(device)).value(), toml);
  EXPECT_EQ(machine_->spec.cmdline, "quiet") << "a launch with a TEE may not lack it";
  EXPECT_EQ(machine_->spec.emulator->host_data_hex,
            HexEncode(initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, toml)));
}

TEST_F(PodTest, BrokenInitdataIsRefusedBeforeAnythingStarts) {
  const auto created =
      pod_->Create(Sandbox({{"io.katacontainers.config.hypervisor.cc_init_data", "!"}}));
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("initdata of pod 'pod'"));
  EXPECT_EQ(machine_, nullptr);
}

TEST_F(PodTest, StoppingAPodAsksTheGuestFirst) {
  RunSandbox();
  std::jthread guest([this] {
    EXPECT_TRUE(agent_.WaitCall("Shutdown"));
    machine_->PowerOff();
  });
  ASSERT_TRUE(pod_->Kill("pod", SIGTERM, false).ok());
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
}

TEST_F(PodTest, KillingAPodAsksNobody) {
  RunSandbox();
  ASSERT_TRUE(pod_->Kill("pod", SIGKILL, false).ok());
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  EXPECT_THAT(agent_.calls(), Not(Contains("Shutdown")));
  EXPECT_EQ(pod_->Kill("pod", SIGKILL, false).error().code(), ErrorCode::kNotFound);
}

// A guest that takes part in nothing, call by call: its pod is stopped and removed all the same.
TEST_F(PodTest, AGuestThatDoesNotTakeSigkillLosesItsVm) {
  config_.call_timeout = seconds(1);
  NewPod();
  RunSandbox();
  RunContainer("one");
  agent_.HangMethod("SignalContainer");
  ASSERT_TRUE(pod_->Kill("one", SIGTERM, false).ok()) << "it may take it yet";
  EXPECT_EQ(pod_->State("one")->status, TaskStatus::kRunning);
  ASSERT_TRUE(pod_->Kill("one", SIGKILL, false).ok());
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
  EXPECT_TRUE(machine_->ended());
  EXPECT_TRUE(pod_->Delete("one").ok());
  EXPECT_TRUE(pod_->Delete("pod").ok());
}

TEST_F(PodTest, AGuestThatSaysItKilledButDidNotLosesItsVm) {
  config_.call_timeout = seconds(1);
  NewPod();
  RunSandbox();
  RunContainer("one");
  agent_.KeepRunningWhenSignalled();
  ASSERT_TRUE(pod_->Kill("one", SIGKILL, true).ok());
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
  EXPECT_TRUE(machine_->ended());
}

TEST_F(PodTest, ASignalThatTheVmsEndOvertakesIsNoError) {
  RunSandbox();
  RunContainer("one");
  agent_.HangMethod("SignalContainer");
  std::jthread end([this] {
    EXPECT_TRUE(agent_.WaitCall("SignalContainer one"));
    machine_->PowerOff();
  });
  const auto killed = pod_->Kill("one", SIGKILL, false);
  EXPECT_TRUE(killed.ok()) << killed.error().message();
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
}

TEST_F(PodTest, AContainerThatIsBeingMadeDoesNotKeepItsPodFromBeingKilled) {
  RunSandbox();
  agent_.HangMethod("PrepareRootfs");
  std::jthread maker([this] {
    const auto created = pod_->Create(Container("one"));
    EXPECT_THAT(created.error().message(), HasSubstr("the pod's VM is gone"));
  });
  ASSERT_TRUE(agent_.WaitCall("PrepareRootfs one"));
  ASSERT_TRUE(pod_->Kill("pod", SIGKILL, false).ok());
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  maker.join();
  EXPECT_TRUE(pod_->Delete("pod").ok());
}

TEST_F(PodTest, AnInputEndsWithItsContainer) {
  RunSandbox();
  auto request = Container("one");
  ASSERT_EQ(::mkfifo(Path("in").c_str(), 0600), 0);
  request.stdio.in = Path("in");
  ASSERT_TRUE(pod_->Create(request).ok());
  ASSERT_TRUE(pod_->Start("one").ok());
  const UniqueFd in(::open(Path("in").c_str(), O_WRONLY | O_CLOEXEC));
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  while (::write(in.get(), "x", 1) == 1) {  // blocks for ever if nobody ends it
  }
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(PodTest, WrongStatesAreToldApart) {
  EXPECT_THAT(pod_->Create(Container("one")).error().message(),
              HasSubstr("no running pod to join"));
  EXPECT_EQ(pod_->Start("none").error().code(), ErrorCode::kNotFound);
  RunSandbox();
  EXPECT_EQ(pod_->Create(Sandbox()).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(pod_->Start("pod").error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(pod_->Delete("pod").error().message(), HasSubstr("is running"));
  auto other = Sandbox();
  other.id = "other";
  EXPECT_THAT(pod_->Create(other).error().message(), HasSubstr("second sandbox"));
}

TEST_F(PodTest, AContainerOutsideAPodIsRefused) {
  Write("single/config.json", "{}");
  const auto created = pod_->Create({.id = "single", .bundle = Path("single")});
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message(), HasSubstr("belongs to no pod"));
}

TEST_F(PodTest, ACreatedContainerCanBeDeleted) {
  RunSandbox();
  ASSERT_TRUE(pod_->Create(Container("one")).ok());
  const auto deleted = pod_->Delete("one");
  ASSERT_TRUE(deleted.ok()) << deleted.error().message();
  EXPECT_EQ(deleted->exit->status, kKilledStatus);
}

TEST_F(PodTest, AnAbortEndsEverything) {
  RunSandbox();
  RunContainer("one");
  pod_->Abort("test");
  EXPECT_EQ(pod_->Wait("one")->status, kKilledStatus);
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
}

}  // namespace
}  // namespace locket::runtime_shim
