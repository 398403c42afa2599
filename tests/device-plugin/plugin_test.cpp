// The plugin between a kernel of files and a kubelet that registers, calls back, goes and comes.
#include "device-plugin/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <fstream>
#include <thread>

#include "tests/device-plugin/fake_kubelet.h"
#include "tests/device-plugin/fake_sys.h"

namespace locket::device_plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Mood = FakeKubelet::Mood;

constexpr const char* kSnp = "locket.dev/snp";
constexpr const char* kTdx = "locket.dev/tdx";
constexpr const char* kEmulated = "locket.dev/emulated";

class PluginTest : public ::testing::Test {
 protected:
  PluginTest() {
    options_.kubelet_dir = temp_.path() / "kubelet" / "device-plugins";
    options_.root = sys_.root();
    options_.check_interval = std::chrono::seconds(1);
  }
  ~PluginTest() override { Stop(); }

  void Start() {
    auto plugin = Plugin::Open(options_, clock_);
    ASSERT_TRUE(plugin.ok()) << plugin.error().message();
    plugin_ = std::move(plugin).value();
    thread_ = std::jthread([this] {
      const Status ran = plugin_->Run(stop_.get());
      EXPECT_TRUE(ran.ok()) << ran.error().message();
    });
  }
  // With a kubelet that knows of SEV-SNP.
  void StartRegistered() {
    kubelet_.Start();
    Start();
    kubelet_.Attempt(kSnp);
  }
  void Stop() {
    ::eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
    plugin_.reset();
  }

  std::filesystem::path SocketOf(const std::string& resource) const {
    return options_.kubelet_dir / EndpointOf(resource);
  }
  std::vector<std::string> Sockets() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options_.kubelet_dir)) {
      if (entry.path() != kubelet_.socket()) names.push_back(entry.path().filename());
    }
    return names;
  }

  const TempDir temp_ =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "plugin-")).value();
  const FakeSys sys_;
  const SystemClock clock_;
  const UniqueFd stop_{::eventfd(0, EFD_CLOEXEC)};
  Options options_;
  FakeKubelet kubelet_{temp_.path() / "kubelet" / "device-plugins"};
  std::unique_ptr<Plugin> plugin_;
  std::jthread thread_;
};

TEST_F(PluginTest, RegistersAndTellsItsDevices) {
  sys_.HaveSnp(3);
  kubelet_.Start();
  Start();
  const auto request = kubelet_.Attempt(kSnp);
  EXPECT_EQ(request.version(), "v1beta1");
  EXPECT_EQ(request.endpoint(), "locket.dev_snp.sock");
  EXPECT_TRUE(request.has_options());
  EXPECT_FALSE(request.options().pre_start_required());
  EXPECT_FALSE(request.options().get_preferred_allocation_available());
  Watcher watcher(SocketOf(kSnp));
  EXPECT_EQ(watcher.Next(), std::pair(3, 0));
  EXPECT_EQ(watcher.list().devices(0).id(), "snp-0");
  EXPECT_EQ(watcher.list().devices(2).id(), "snp-2");
}

TEST_F(PluginTest, AnswersEveryCallOfTheKubelet) {
  sys_.HaveSnp(3);
  StartRegistered();
  const auto stub = ConnectTo(SocketOf(kSnp));
  {
    grpc::ClientContext context;
    ::v1beta1::DevicePluginOptions options;
    EXPECT_TRUE(stub->GetDevicePluginOptions(&context, {}, &options).ok());
    EXPECT_FALSE(options.pre_start_required());
  }
  ::v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids("snp-2");
  request.add_container_requests();
  ::v1beta1::AllocateResponse response;
  {
    grpc::ClientContext context;
    EXPECT_TRUE(stub->Allocate(&context, request, &response).ok());
    EXPECT_EQ(response.container_responses_size(), 2);
  }
  request.mutable_container_requests(1)->add_devices_ids("snp-3");
  {
    grpc::ClientContext context;
    const grpc::Status refused = stub->Allocate(&context, request, &response);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(refused.error_message(), "device 'snp-3' was never announced");
  }
  {
    grpc::ClientContext context;
    ::v1beta1::PreStartContainerResponse started;
    EXPECT_TRUE(stub->PreStartContainer(&context, {}, &started).ok());
  }
  {
    grpc::ClientContext context;
    ::v1beta1::PreferredAllocationResponse preferred;
    EXPECT_EQ(stub->GetPreferredAllocation(&context, {}, &preferred).error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
}

TEST_F(PluginTest, WaitsForAKubeletWhoseDirectoryIsNotThereYet) {
  sys_.HaveSnp(3);
  options_.check_interval = std::chrono::hours(1);
  Start();
  kubelet_.Start();
  EXPECT_EQ(kubelet_.Attempt(kSnp).resource_name(), kSnp);
}

TEST_F(PluginTest, RegistersWithEachKubeletThatComes) {
  sys_.HaveSnp(3);
  options_.check_interval = std::chrono::hours(1);  // it is told, and does not look
  StartRegistered();
  for (int restart = 0; restart < 3; ++restart) {
    kubelet_.Stop();
    kubelet_.Start();
    kubelet_.Attempt(kSnp);
    Watcher watcher(SocketOf(kSnp));
    EXPECT_EQ(watcher.Next(), std::pair(3, 0)) << "after restart " << restart;
  }
}

TEST_F(PluginTest, MakesItsSocketAnewWhenItIsRemovedAlone) {
  sys_.HaveSnp(3);
  options_.check_interval = std::chrono::hours(1);
  StartRegistered();
  std::filesystem::remove(SocketOf(kSnp));
  kubelet_.Attempt(kSnp, 2);
  Watcher watcher(SocketOf(kSnp));
  EXPECT_EQ(watcher.Next(), std::pair(3, 0));
}

TEST_F(PluginTest, TriesAgainAfterARefusal) {
  sys_.HaveSnp(3);
  options_.check_interval = std::chrono::hours(1);
  kubelet_.Start(Mood::kRefuses);
  ::testing::internal::CaptureStderr();
  Start();
  kubelet_.Attempt(kSnp, 2);
  kubelet_.SetMood(Mood::kAccepts);
  kubelet_.Attempt(kSnp, 3);
  Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("register 'locket.dev/snp' with the kubelet: the kubelet refuses it: "
                             "no room for it (see the kubelet's log"));
  EXPECT_EQ(log.find("refuses it"), log.rfind("refuses it")) << "said once:\n" << log;
}

TEST_F(PluginTest, GivesUpOnAKubeletThatHangsAndTriesAgain) {
  sys_.HaveSnp(3);
  options_.register_timeout = std::chrono::seconds(1);
  kubelet_.Start(Mood::kHangs);
  ::testing::internal::CaptureStderr();
  Start();
  kubelet_.Attempt(kSnp, 2);
  Stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("no answer for 1000 ms"));
}

TEST_F(PluginTest, StopsAtOnceWhileAKubeletHangs) {
  sys_.HaveSnp(3);
  options_.register_timeout = std::chrono::hours(1);
  kubelet_.Start(Mood::kHangs);
  Start();
  kubelet_.Attempt(kSnp);
  Stop();  // or the test's time runs out
  EXPECT_THAT(Sockets(), IsEmpty());
}

TEST_F(PluginTest, KnowsALeftOverSocketOfAKubelet) {
  sys_.HaveSnp(3);
  options_.check_interval = std::chrono::hours(1);
  std::filesystem::create_directories(options_.kubelet_dir);
  {
    auto listener = Listener::Listen(temp_.path() / "dead.sock");
    ASSERT_TRUE(listener.ok());
    std::filesystem::rename(temp_.path() / "dead.sock", kubelet_.socket());
  }
  Start();
  while (!std::filesystem::exists(SocketOf(kSnp))) std::this_thread::yield();
  kubelet_.Start();
  kubelet_.Attempt(kSnp);
  EXPECT_EQ(Watcher(SocketOf(kSnp)).Next(), std::pair(3, 0));
}

TEST_F(PluginTest, TellsEveryChangeOfTheKernelsNumber) {
  sys_.HaveSnp(3);
  StartRegistered();
  Watcher watcher(SocketOf(kSnp));
  EXPECT_EQ(watcher.Next(), std::pair(3, 0));
  sys_.HaveSnp(2);
  EXPECT_EQ(watcher.Next(), std::pair(2, 1));
  sys_.HaveSnp(5);
  EXPECT_EQ(watcher.Next(), std::pair(5, 0));
  sys_.Write("sys/module/kvm_amd/parameters/sev_snp", "N\n");
  EXPECT_EQ(watcher.Next(), std::pair(0, 5));
  EXPECT_EQ(kubelet_.num_attempts(kSnp), 1U);
  const auto stub = ConnectTo(SocketOf(kSnp));
  grpc::ClientContext context;
  ::v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids("snp-0");
  ::v1beta1::AllocateResponse response;
  EXPECT_EQ(stub->Allocate(&context, request, &response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(PluginTest, DevicesAreUnhealthyWhileTheKernelsFilesMakeNoSense) {
  sys_.HaveSnp(3);
  kubelet_.Start();
  ::testing::internal::CaptureStderr();
  Start();
  kubelet_.Attempt(kSnp);
  {
    Watcher watcher(SocketOf(kSnp));
    EXPECT_EQ(watcher.Next(), std::pair(3, 0));
    sys_.Write("sys/fs/cgroup/misc.capacity", "nonsense\n");
    EXPECT_EQ(watcher.Next(), std::pair(0, 3));
    sys_.HaveSnp(3);
    EXPECT_EQ(watcher.Next(), std::pair(3, 0));
  }
  Stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("misc.capacity': line 1: not a name"));
}

TEST_F(PluginTest, AnnouncesOnlyWhatTheMachineHas) {
  sys_.HaveTdx(2);
  options_.resources[2].emulated = 4;
  kubelet_.Start();
  ::testing::internal::CaptureStderr();
  Start();
  kubelet_.Attempt(kTdx);
  kubelet_.Attempt(kEmulated);
  EXPECT_EQ(Watcher(SocketOf(kTdx)).Next(), std::pair(2, 0));
  EXPECT_EQ(Watcher(SocketOf(kEmulated)).Next(), std::pair(4, 0));
  Stop();
  EXPECT_EQ(kubelet_.num_attempts(kSnp), 0U);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("warning EMULATED devices: nothing is protected by them"));
  EXPECT_THAT(log, HasSubstr("KVM knows no SEV-SNP"));
}

TEST_F(PluginTest, AnnouncesATeeThatIsTurnedOnLater) {
  kubelet_.Start();
  Start();
  sys_.HaveSnp(7);
  kubelet_.Attempt(kSnp);
  EXPECT_EQ(Watcher(SocketOf(kSnp)).Next(), std::pair(7, 0));
}

TEST_F(PluginTest, LeavesTheReservedOnesToOthers) {
  sys_.HaveSnp(7);
  options_.resources[0].reserved = 3;
  StartRegistered();
  EXPECT_EQ(Watcher(SocketOf(kSnp)).Next(), std::pair(4, 0));
}

TEST_F(PluginTest, ManyDevicesFitIntoOneMessage) {
  options_.resources[2].emulated = static_cast<uint32_t>(kMaxGuests);
  kubelet_.Start();
  Start();
  kubelet_.Attempt(kEmulated);
  EXPECT_EQ(Watcher(SocketOf(kEmulated)).Next(), std::pair(65536, 0));
}

TEST_F(PluginTest, StoppingEndsStreamsAndRemovesItsSockets) {
  sys_.HaveSnp(3);
  StartRegistered();
  Watcher watcher(SocketOf(kSnp));
  EXPECT_EQ(watcher.Next(), std::pair(3, 0));
  EXPECT_THAT(Sockets(), ElementsAre("locket.dev_snp.sock"));
  Stop();
  EXPECT_EQ(watcher.Next(), std::nullopt);
  EXPECT_THAT(Sockets(), IsEmpty());
}

TEST_F(PluginTest, DoesNotTakeTheSocketOfAnotherThatRuns) {
  sys_.HaveSnp(3);
  kubelet_.Start();
  auto other = Listener::Listen(SocketOf(kSnp));
  ASSERT_TRUE(other.ok());
  ::testing::internal::CaptureStderr();
  Start();
  Stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("locket.dev_snp.sock': another server listens there"));
  EXPECT_EQ(kubelet_.num_attempts(kSnp), 0U);
}

TEST_F(PluginTest, ADirectoryThatIsNoneIsAnError) {
  std::filesystem::create_directories(temp_.path() / "kubelet");
  std::ofstream(options_.kubelet_dir) << "x";
  auto plugin = Plugin::Open(options_, clock_);
  ASSERT_TRUE(plugin.ok());
  EXPECT_THAT((*plugin)->Run(stop_.get()).error().message(), HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace locket::device_plugin
