// What becomes of a pod's network when its VM boots; the pod's namespace, VM and agent are fakes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "initdata/initdata.h"
#include "proto/agent.pb.h"
#include "runtime-shim/vm/pod_vm.h"
#include "tests/runtime-shim/hypervisor/fake_vmm.h"
#include "tests/runtime-shim/vm/fake_agent.h"

namespace locket::runtime_shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PodVmNetworkTest : public ::testing::Test {
 protected:
  PodVmNetworkTest() : dir_(TempDir::Create("/tmp", "pod-vm").value()) {
    (void)::signal(SIGPIPE, SIG_IGN);
    Write("vmlinuz", "k");
    Write("initramfs.img", "i");
    Write("guest-image.json",
          R"({"version":1,"kernel":"vmlinuz","initrd":"initramfs.img","cmdline":"quiet"})");
    Write("resolv.conf", "nameserver 10.0.0.1\nsearch a.example\noptions ndots:5\n");
    config_.guest_image_dir = dir_.path();
    config_.state_dir = dir_.path() / "state";
    config_.accelerator = AcceleratorChoice::kTcg;
    config_.boot_timeout = std::chrono::seconds(20);
  }
  ~PodVmNetworkTest() override { agent_.Die(); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(ReplaceFileDurably(dir_.path() / name, text).ok());
  }
  static std::string Annotation(bool allow_network) {
    initdata::Initdata initdata;
    initdata.data[std::string(initdata::kPolicyKey)] =
        initdata::EncodeGuestPolicy({.allow_network = allow_network});
    return initdata::EncodeInitdataAnnotation(initdata::EncodeInitdata(initdata)).value();
  }

  Result<PodNetwork> OpenNetwork(const std::filesystem::path& netns, NetworkUse use) {
    opened_ = netns;
    if (failure_) return *failure_;
    PodNetwork network;
    network.interfaces.push_back(
        {.link = {.index = 2,
                  .name = "eth0",
                  .mac = {2, 0, 0, 0, 0, 1},
                  .mtu = 1450,
                  .ethernet = true,
                  .loopback = false,
                  .addresses = {{.address = std::string("\x0a\0\0\x02", 4), .length = 24}}},
         .routes = {{.link = 2,
                     .destination = {.address = std::string(4, '\0'), .length = 0},
                     .gateway = std::string("\x0a\0\0\x01", 4),
                     .metric = 3,
                     .onlink = true}},
         .neighbours = {{.link = 2, .address = std::string("\x0a\0\0\x01", 4), .mac = {9}}}});
    if (use == NetworkUse::kJoin) {
      network.taps.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      tap_ = network.taps.back().get();
    }
    return network;
  }
  Result<std::unique_ptr<Vmm>> Launch(const VmSpec& spec) {
    machine_ = std::make_shared<FakeMachine>();
    machine_->spec = spec;
    tap_was_open_ = tap_ >= 0 && ::fcntl(tap_, F_GETFD) >= 0;
    agent_.Serve(machine_->TakeGuestEnd(Channel::kAgent));
    return std::unique_ptr<Vmm>(std::make_unique<FakeVmm>(machine_));
  }
  Result<std::unique_ptr<PodVm>> Boot(bool allow_network, std::filesystem::path netns = "/ns") {
    return PodVm::Boot(config_,
                       {.id = "pod",
                        .initdata_base64 = Annotation(allow_network),
                        .netns = std::move(netns),
                        .resolv_conf = dir_.path() / "resolv.conf",
                        .dir = dir_.path() / "state/pod"},
                       {.hypervisor = hypervisor_,
                        .open_network = [this](const auto& path,
                                               NetworkUse use) { return OpenNetwork(path, use); }},
                       [](const std::string&) {});
  }

  TempDir dir_;
  Config config_{.guest_image_dir = {}};
  std::shared_ptr<FakeMachine> machine_;
  FakeAgent agent_;
  std::filesystem::path opened_;
  std::optional<Error> failure_;
  int tap_ = -1;
  bool tap_was_open_ = false;
  FakeHypervisor hypervisor_{[this](const VmSpec& spec) { return Launch(spec); }};
};

TEST_F(PodVmNetworkTest, TheVmGetsADeviceAndTheGuestIsToldWhatItIsFor) {
  const auto vm = Boot(/*allow_network=*/true);
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  EXPECT_EQ(opened_, "/ns");
  EXPECT_THAT(machine_->spec.nics,
              ElementsAre(NicSpec{.mac = "02:00:00:00:00:01", .tap_fd = tap_, .vhost = false}));
  EXPECT_TRUE(tap_was_open_) << "while the VM was launched";
  agent::v1::Network network;
  ASSERT_TRUE(network.ParseFromString(agent_.network().value_or("none")));
  ASSERT_EQ(network.interfaces_size(), 1);
  const auto& interface = network.interfaces(0);
  EXPECT_EQ(interface.name(), "eth0");
  EXPECT_EQ(interface.mac(), std::string("\x02\0\0\0\0\x01", 6));
  EXPECT_EQ(interface.mtu(), 1450U);
  EXPECT_EQ(interface.addresses(0).length(), 24U);
  EXPECT_EQ(interface.routes(0).gateway(), std::string("\x0a\0\0\x01", 4));
  EXPECT_EQ(interface.routes(0).metric(), 3U);
  EXPECT_TRUE(interface.routes(0).onlink());
  EXPECT_EQ(interface.neighbours(0).mac().size(), 6U);
  EXPECT_EQ(network.nameservers(0), std::string("\x0a\0\0\x01", 4));
  EXPECT_EQ(network.searches(0), "a.example");
  EXPECT_EQ(network.options(0), "ndots:5");
}

TEST_F(PodVmNetworkTest, TheShimKeepsNoTapOfARunningVm) {
  const auto vm = Boot(/*allow_network=*/true);
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  std::error_code failed;
  const auto target =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(tap_), failed);
  EXPECT_NE(target, "/dev/null") << "the tap, and with it the pod's namespace, is the VM's alone";
}

TEST_F(PodVmNetworkTest, AGuestThatMayNotHaveANetworkGetsNoDeviceAndIsStillTold) {
  agent_.SetLeftOut({"network (why)"});
  ::testing::internal::CaptureStderr();
  const auto vm = Boot(/*allow_network=*/false);
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  EXPECT_THAT(machine_->spec.nics, IsEmpty());
  EXPECT_TRUE(agent_.network().has_value()) << "it is the guest that says no";
  EXPECT_THAT(log, HasSubstr("left_out=\"network (why)\""));
}

TEST_F(PodVmNetworkTest, ANetworkThatCannotBeJoinedStopsOnlyPodsThatAreToHaveOne) {
  failure_ = Error(ErrorCode::kFailedPrecondition, "interface 'wg0' is no Ethernet");
  const auto refused = Boot(/*allow_network=*/true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), "boot the VM of pod 'pod': interface 'wg0' is no Ethernet");
  EXPECT_EQ(machine_, nullptr);
  std::filesystem::remove_all(dir_.path() / "state");
  ::testing::internal::CaptureStderr();
  const auto vm = Boot(/*allow_network=*/false);
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  EXPECT_FALSE(agent_.network().has_value());
  EXPECT_THAT(log, HasSubstr("interface 'wg0' is no Ethernet"));
}

TEST_F(PodVmNetworkTest, APodWithoutANamespaceHasNoNetwork) {
  const auto vm = Boot(/*allow_network=*/true, "");
  ASSERT_TRUE(vm.ok()) << vm.error().message();
  EXPECT_EQ(opened_, "");
  EXPECT_THAT(machine_->spec.nics, IsEmpty());
  EXPECT_FALSE(agent_.network().has_value());
}

TEST_F(PodVmNetworkTest, AnUnreadableResolvConfIsRefusedBeforeAnythingStarts) {
  std::filesystem::remove(dir_.path() / "resolv.conf");
  const auto vm = Boot(/*allow_network=*/true);
  ASSERT_FALSE(vm.ok());
  EXPECT_THAT(vm.error().message(), HasSubstr("resolv.conf"));
  EXPECT_EQ(machine_, nullptr);
}

}  // namespace
}  // namespace locket::runtime_shim
