#include "runtime-shim/host/pod_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "device/fake_network_control.h"
#include "device/kernel_network_control.h"

namespace locket::runtime_shim {
namespace {

using device::FakeNetworkControl;
using device::IpPrefix;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

const IpPrefix kAddress{.address = std::string("\x0a\x58\x00\x02", 4), .length = 16};
const IpPrefix kSubnet{.address = std::string("\x0a\x58\x00\x00", 4), .length = 16};

// A network like the one that CNI makes, and taps that come and go with their descriptors' owners.
class FakePodNetwork {
 public:
  explicit FakePodNetwork(int interfaces = 1) {
    for (int i = 0; i < interfaces; ++i) AddInterface("eth" + std::to_string(i));
    network.AddLink("unused");
  }
  int AddInterface(const std::string& name, bool ethernet = true) {
    const int link = network.AddLink(name, ethernet);
    network.link(link).addresses = {kAddress};
    network.link(link).mtu = 1400;
    EXPECT_TRUE(network.AddRoute({.link = link, .destination = kSubnet}).ok());
    EXPECT_TRUE(network.AddPermanentNeighbour({.link = link, .address = "abcd", .mac = {}}).ok());
    return link;
  }
  TapMaker MakeTap() {
    return [this](const std::string& name) -> Result<UniqueFd> {
      if (tap_failure) return *tap_failure;
      taps.push_back(network.AddLink(name));
      return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    };
  }
  FakeNetworkControl network;
  std::vector<int> taps;
  std::optional<Error> tap_failure;
};

TEST(PodNetworkTest, EveryInterfaceWithAddressesIsTakenWithWhatBelongsToIt) {
  FakePodNetwork pod(2);
  const auto built = BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kJoin);
  ASSERT_TRUE(built.ok()) << built.error().message();
  ASSERT_THAT(built->interfaces, SizeIs(2));
  EXPECT_THAT(built->taps, SizeIs(2));
  for (int i = 0; i < 2; ++i) {
    const PodInterface& interface = built->interfaces[static_cast<size_t>(i)];
    EXPECT_EQ(interface.link.name, "eth" + std::to_string(i));
    EXPECT_THAT(interface.link.addresses, ElementsAre(kAddress));
    ASSERT_THAT(interface.routes, SizeIs(1));
    EXPECT_EQ(interface.routes[0].link, interface.link.index);
    EXPECT_THAT(interface.neighbours, SizeIs(1));
  }
}

TEST(PodNetworkTest, EachInterfaceAndItsTapHandEverythingToEachOther) {
  FakePodNetwork pod;
  const int eth = pod.network.Links()->front().index;
  ASSERT_TRUE(BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kJoin).ok());
  ASSERT_THAT(pod.taps, SizeIs(1));
  EXPECT_THAT(pod.network.ingress(),
              ::testing::UnorderedElementsAre(Pair(eth, pod.taps[0]), Pair(pod.taps[0], eth)));
  EXPECT_TRUE(pod.network.is_up(pod.taps[0]));
  EXPECT_EQ(pod.network.link(pod.taps[0]).mtu, 1400U) << "the interface's";
}

TEST(PodNetworkTest, DescribingChangesNothing) {
  FakePodNetwork pod;
  const auto built = BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kDescribe);
  ASSERT_TRUE(built.ok());
  EXPECT_THAT(built->interfaces, SizeIs(1));
  EXPECT_THAT(built->taps, IsEmpty());
  EXPECT_THAT(pod.taps, IsEmpty());
  EXPECT_THAT(pod.network.ingress(), IsEmpty());
}

TEST(PodNetworkTest, APodWithoutAddressesHasNoNetwork) {
  FakePodNetwork pod(0);
  const auto built = BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kJoin);
  ASSERT_TRUE(built.ok());
  EXPECT_THAT(built->interfaces, IsEmpty());
  EXPECT_THAT(pod.taps, IsEmpty());
}

TEST(PodNetworkTest, WhatNoGuestTakesOverIsRefused) {
  FakePodNetwork many(5);
  const auto five = BuildPodNetwork(many.network, many.MakeTap(), NetworkUse::kJoin);
  ASSERT_FALSE(five.ok());
  EXPECT_THAT(five.error().message(), HasSubstr("interface 'eth4' is one too many"));
  FakePodNetwork tunnel(0);
  tunnel.AddInterface("wg0", /*ethernet=*/false);
  const auto built = BuildPodNetwork(tunnel.network, tunnel.MakeTap(), NetworkUse::kJoin);
  ASSERT_FALSE(built.ok());
  EXPECT_THAT(built.error().message(), HasSubstr("interface 'wg0' is no Ethernet"));
}

TEST(PodNetworkTest, NothingOfOursIsOnThePodsInterfacesWhicheverStepFails) {
  for (int nth = 1;; ++nth) {
    FakePodNetwork pod(2);
    pod.network.FailCall(nth);
    const auto built = BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kJoin);
    pod.network.FailCall(0);
    if (built.ok()) {
      EXPECT_GT(nth, 14);
      break;
    }
    EXPECT_THAT(built.error().message(), HasSubstr("network call made to fail"));
    for (const int tap : pod.taps) pod.network.RemoveLink(tap);  // as their descriptors are closed
    EXPECT_THAT(pod.network.ingress(), IsEmpty()) << "after failing call " << nth;
  }
}

TEST(PodNetworkTest, WithoutTapsItSaysWhichInterface) {
  FakePodNetwork pod;
  pod.tap_failure = Error(ErrorCode::kNotFound, "no /dev/net/tun");
  const auto built = BuildPodNetwork(pod.network, pod.MakeTap(), NetworkUse::kJoin);
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().message(), "join interface 'eth0' to the VM: no /dev/net/tun");
}

// Every call as of a kernel without the module for it.
class KernelWithoutFilters final : public device::NetworkControl {
 public:
  explicit KernelWithoutFilters(device::NetworkControl& rest) : rest_(rest) {}
  Result<std::vector<device::NetworkLink>> Links() override { return rest_.Links(); }
  Result<std::vector<device::NetworkRoute>> Routes() override { return rest_.Routes(); }
  Result<std::vector<device::NetworkNeighbour>> PermanentNeighbours() override {
    return rest_.PermanentNeighbours();
  }
  Status ChangeLink(const device::LinkChange& change) override { return rest_.ChangeLink(change); }
  Status AddAddress(int, const IpPrefix&) override { return Ok(); }
  Status AddRoute(const device::NetworkRoute&) override { return Ok(); }
  Status AddPermanentNeighbour(const device::NetworkNeighbour&) override { return Ok(); }
  Status AddIngress(int link) override { return rest_.AddIngress(link); }
  Status RemoveIngress(int link) override { return rest_.RemoveIngress(link); }
  Status AddRedirect(int, int) override { return Error(ErrorCode::kNotFound, "Object not found"); }

 private:
  device::NetworkControl& rest_;
};

TEST(PodNetworkTest, AKernelWithoutTheModulesIsToldApartWithTheWayOut) {
  FakePodNetwork pod;
  KernelWithoutFilters kernel(pod.network);
  const auto built = BuildPodNetwork(kernel, pod.MakeTap(), NetworkUse::kJoin);
  ASSERT_FALSE(built.ok());
  EXPECT_EQ(built.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(built.error().message(), HasSubstr("modprobe sch_ingress cls_u32 act_mirred"));
}

constexpr uint16_t kTestProtocol = 0x88b5;  // IEEE 802: for local experiments
constexpr size_t kVirtioHeader = 10;

// A namespace as CNI leaves it: "eth0" with an address, its other end "outside", both up.
class RealPodNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make a network namespace";
    Inside([this] {
      ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
      netns_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      for (const char* command :
           {"link add eth0 type veth peer name outside", "addr add 10.88.0.2/16 dev eth0",
            "link set eth0 mtu 1400", "link set eth0 up", "link set outside up",
            "route add default via 10.88.0.1",
            "neigh add 10.88.0.1 lladdr 02:00:00:00:00:09 dev eth0"}) {
        const auto done = RunCommand({"sh", "-c", std::string("ip ") + command});
        ASSERT_TRUE(done.ok() && done->exit_status == 0) << command << done->standard_error;
      }
    });
  }

  // On a thread that is in the namespace, once there is one.
  void Inside(const std::function<void()>& work) {
    std::thread([&] {
      if (netns_.valid()) {
        ASSERT_EQ(::setns(netns_.get(), CLONE_NEWNET), 0);
      }
      work();
    }).join();
  }
  std::filesystem::path Path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(netns_.get());
  }
  std::vector<std::string> LinkNames() {
    std::vector<std::string> names;
    Inside([&] {
      const auto network = device::OpenKernelNetworkControl();
      const auto links = (*network)->Links();
      for (const auto& link : *links) names.push_back(link.name);
    });
    return names;
  }
  // What passes on the wire outside the pod.
  UniqueFd OutsideSocket() {
    UniqueFd fd;
    Inside([&] {
      fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(kTestProtocol)));
      sockaddr_ll address{};
      address.sll_family = AF_PACKET;
      address.sll_protocol = htons(kTestProtocol);
      address.sll_ifindex = static_cast<int>(::if_nametoindex("outside"));
      ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    });
    return fd;
  }
  static std::string Frame(const std::string& payload) {
    std::string frame = std::string(6, '\xff') + std::string("\x02\0\0\0\0\x01", 6) + "\x88\xb5";
    return frame + payload + std::string(64 - payload.size(), '.');
  }
  // The next frame of the test's own protocol, without the first `skip` bytes.
  static std::string NextFrame(int fd, size_t skip) {
    for (;;) {
      pollfd waiting{fd, POLLIN, 0};
      if (::poll(&waiting, 1, 10'000) <= 0) return "nothing came";
      std::string frame(2048, '\0');
      const ssize_t size = ::read(fd, frame.data(), frame.size());
      if (size < static_cast<ssize_t>(skip)) return "nothing came";
      frame = frame.substr(skip, static_cast<size_t>(size) - skip);
      if (frame.size() > 14 && frame.substr(12, 2) == "\x88\xb5") return frame;
    }
  }

  UniqueFd netns_;
};

TEST_F(RealPodNetwork, FramesPassBetweenTheWireAndTheTap) {
  const auto opened = OpenPodNetwork(Path(), NetworkUse::kJoin);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ASSERT_THAT(opened->taps, SizeIs(1));
  const int tap = opened->taps[0].get();
  const UniqueFd outside = OutsideSocket();

  ASSERT_TRUE(
      WriteFull(tap, AsBytes(std::string(kVirtioHeader, '\0') + Frame("from the guest"))).ok());
  EXPECT_THAT(NextFrame(outside.get(), 0), HasSubstr("from the guest"));
  ASSERT_TRUE(WriteFull(outside.get(), AsBytes(Frame("to the guest"))).ok());
  EXPECT_THAT(NextFrame(tap, kVirtioHeader), HasSubstr("to the guest"));
}

TEST_F(RealPodNetwork, TheInterfaceIsDescribedAsCniLeftIt) {
  const auto opened = OpenPodNetwork(Path(), NetworkUse::kDescribe);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ASSERT_THAT(opened->interfaces, SizeIs(1));
  const PodInterface& interface = opened->interfaces[0];
  EXPECT_EQ(interface.link.name, "eth0");
  EXPECT_EQ(interface.link.mtu, 1400U);
  EXPECT_THAT(interface.link.addresses, ElementsAre(kAddress));
  ASSERT_THAT(interface.routes, SizeIs(2));
  ASSERT_THAT(interface.neighbours, SizeIs(1));
  EXPECT_EQ(device::AddressText(interface.neighbours[0].address), "10.88.0.1");
  EXPECT_THAT(LinkNames(), Not(::testing::Contains("locket-tap0")));
}

TEST_F(RealPodNetwork, TheTapGoesWithItsLastDescriptor) {
  {
    const auto opened = OpenPodNetwork(Path(), NetworkUse::kJoin);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_THAT(LinkNames(), ::testing::Contains("locket-tap0"));
  }
  EXPECT_THAT(LinkNames(), Not(::testing::Contains("locket-tap0")));
}

TEST_F(RealPodNetwork, TheCallersThreadStaysWhereItIs) {
  const auto before = std::filesystem::read_symlink("/proc/thread-self/ns/net");
  ASSERT_TRUE(OpenPodNetwork(Path(), NetworkUse::kJoin).ok());
  EXPECT_EQ(std::filesystem::read_symlink("/proc/thread-self/ns/net"), before);
  EXPECT_NE(std::filesystem::read_symlink(Path()), before);
}

TEST_F(RealPodNetwork, AnInterfaceThatSomebodyElseFiltersIsLeftAlone) {
  Inside([] {
    const auto network = device::OpenKernelNetworkControl();
    const auto link = static_cast<int>(::if_nametoindex("eth0"));
    ASSERT_TRUE((*network)->AddIngress(link).ok());
  });
  const auto opened = OpenPodNetwork(Path(), NetworkUse::kJoin);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_THAT(opened.error().message(),
              HasSubstr("join interface 'eth0' to the VM: add an ingress"));
  EXPECT_THAT(LinkNames(), Not(::testing::Contains("locket-tap0")));
}

TEST(PodNamespaceTest, TheHostsOwnNamespaceIsNoPodNetwork) {
  const auto opened = OpenPodNetwork("/proc/self/ns/net", NetworkUse::kJoin);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_THAT(opened->interfaces, IsEmpty());
}

TEST(PodNamespaceTest, WhatIsNoNamespaceIsRefused) {
  const auto absent = OpenPodNetwork("/nowhere/netns", NetworkUse::kJoin);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(absent.error().message(), HasSubstr("network namespace '/nowhere/netns'"));
  const auto other = OpenPodNetwork("/dev/null", NetworkUse::kJoin);
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message(), HasSubstr("enter it"));
}

}  // namespace
}  // namespace locket::runtime_shim
