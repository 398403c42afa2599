#include "guest-agent/network/network.h"

#include <gmock/gmock.h>
#include <sched.h>

#include <map>

#include "base/file.h"
#include "base/subprocess.h"
#include "device/fake_network_control.h"
#include "device/kernel_network_control.h"
#include "proto/agent.pb.h"

namespace locket::guest_agent {
namespace {

namespace v1 = ::locket::agent::v1;
using device::FakeNetworkControl;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

std::string V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
}
const std::string kV6 = "\xfd" + std::string(14, '\0') + "\x02";
const std::string kMac("\x02\0\0\0\0\x02", 6);  // the first link of the fake

void SetPrefix(v1::IpPrefix* prefix, const std::string& address, uint32_t length) {
  prefix->set_address(address);
  prefix->set_length(length);
}

v1::Network SomeMessage() {
  v1::Network message;
  auto* interface = message.add_interfaces();
  interface->set_mac(kMac);
  interface->set_name("eth0");
  interface->set_mtu(1450);
  SetPrefix(interface->add_addresses(), V4(10, 0, 0, 2), 24);
  SetPrefix(interface->add_addresses(), kV6, 64);
  // As the kernel lists them: the default route first.
  auto* anywhere = interface->add_routes();
  SetPrefix(anywhere->mutable_destination(), V4(0, 0, 0, 0), 0);
  anywhere->set_gateway(V4(10, 0, 0, 1));
  auto* subnet = interface->add_routes();
  SetPrefix(subnet->mutable_destination(), V4(10, 0, 0, 0), 24);
  subnet->set_source(V4(10, 0, 0, 2));
  subnet->set_metric(5);
  auto* neighbour = interface->add_neighbours();
  neighbour->set_address(V4(10, 0, 0, 1));
  neighbour->set_mac(std::string("\x02\0\0\0\0\x09", 6));
  message.add_nameservers(V4(10, 96, 0, 10));
  message.add_nameservers(kV6);
  message.add_searches("a.example");
  message.add_searches("example");
  message.add_options("ndots:5");
  return message;
}

TEST(DecodeNetworkTest, TakesWhatAHostSendsOfAPod) {
  const auto network = DecodeNetwork(SomeMessage());
  ASSERT_TRUE(network.ok()) << network.error().message();
  ASSERT_THAT(network->interfaces, SizeIs(1));
  const GuestInterface& eth0 = network->interfaces[0];
  EXPECT_EQ(eth0.name, "eth0");
  EXPECT_EQ(eth0.mtu, 1450U);
  EXPECT_EQ(device::MacText(eth0.mac), "02:00:00:00:00:02");
  EXPECT_EQ(device::PrefixText(eth0.addresses[0]), "10.0.0.2/24");
  EXPECT_EQ(device::PrefixText(eth0.addresses[1]), "fd00::2/64");
  EXPECT_EQ(eth0.routes[0].gateway, V4(10, 0, 0, 1));
  EXPECT_EQ(eth0.routes[1].source, V4(10, 0, 0, 2));
  EXPECT_EQ(eth0.routes[1].metric, 5U);
  EXPECT_THAT(eth0.neighbours, SizeIs(1));
}

TEST(DecodeNetworkTest, NoInterfacesAreANetworkToo) {
  EXPECT_EQ(*DecodeNetwork(v1::Network()), GuestNetwork());
}

using Spoil = std::function<void(v1::Network&, v1::NetworkInterface&)>;

TEST(DecodeNetworkTest, RefusesWhatIsNoNetworkAndSaysWhy) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto&, auto& i) { i.set_mac("12345"); }, "a MAC address is 6 bytes"},
      {[](auto&, auto& i) { i.set_mac(std::string(6, '\xff')); },
       "ff:ff:ff:ff:ff:ff is no device's"},
      {[](auto&, auto& i) { i.set_name(""); }, "an interface's name"},
      {[](auto&, auto& i) { i.set_name("sixteen-letters-"); }, "an interface's name"},
      {[](auto&, auto& i) { i.set_name("../x"); }, "an interface's name"},
      {[](auto&, auto& i) { i.set_name(".."); }, "an interface's name"},
      {[](auto&, auto& i) { i.set_name("lo"); }, "none of the kernel's own"},
      {[](auto&, auto& i) { i.set_name("all"); }, "none of the kernel's own"},
      {[](auto&, auto& i) { i.set_name("default"); }, "none of the kernel's own"},
      {[](auto&, auto& i) { i.set_name("locket0"); }, "none of the kernel's own"},
      {[](auto&, auto& i) { i.set_mtu(67); }, "'eth0' has an MTU of 67"},
      {[](auto&, auto& i) { i.set_mtu(65536); }, "'eth0' has an MTU of 65536"},
      {[](auto&, auto& i) { i.set_mtu(1279); }, "MTU 1279 is too small for IPv6"},
      {[](auto&, auto& i) { i.mutable_addresses(0)->set_address("abc"); },
       "an address is neither 4 nor 16 bytes"},
      {[](auto&, auto& i) { i.mutable_addresses(0)->set_length(33); }, "a prefix of 33 bits"},
      {[](auto&, auto& i) { i.mutable_addresses(1)->set_length(129); }, "a prefix of 129 bits"},
      {[](auto&, auto& i) { i.mutable_addresses(0)->set_address(V4(127, 0, 0, 1)); },
       "127.0.0.1 is no machine's address"},
      {[](auto&, auto& i) { i.mutable_addresses(0)->set_address(V4(224, 0, 0, 1)); },
       "224.0.0.1 is no machine's address"},
      {[](auto&, auto& i) { i.mutable_addresses(1)->set_address(std::string(15, '\0') + "\x01"); },
       "::1 is no machine's address"},
      {[](auto&, auto& i) { i.mutable_routes(0)->clear_destination(); },
       "a destination is neither 4 nor 16 bytes"},
      {[](auto&, auto& i) { i.mutable_routes(0)->set_gateway(kV6); },
       "route to 0.0.0.0/0: its gateway is no address"},
      {[](auto&, auto& i) { i.mutable_routes(1)->set_source(V4(0, 0, 0, 0)); },
       "route to 10.0.0.0/24: its source is no address"},
      {[](auto&, auto& i) { i.mutable_neighbours(0)->set_address(""); },
       "a neighbour has no address"},
      {[](auto&, auto& i) { i.mutable_neighbours(0)->set_mac(""); }, "a MAC address is 6 bytes"},
      {[](auto& n, auto&) { n.set_nameservers(0, "abc"); }, "a nameserver is neither"},
      {[](auto& n, auto&) { n.set_searches(0, "a\nnameserver 1.1.1.1"); },
       "a search domain is not"},
      {[](auto& n, auto&) { n.set_searches(0, ""); }, "a search domain is not"},
      {[](auto& n, auto&) { n.set_searches(0, std::string(254, 'a')); }, "at most 253"},
      {[](auto& n, auto&) { n.set_options(0, "a b"); }, "a resolver option is not at most 64"},
      {[](auto& n, auto& i) { *n.add_interfaces() = v1::NetworkInterface(i); },
       "two interfaces have the same name or MAC"},
      {[](auto& n, auto& i) {
         v1::NetworkInterface other(i);
         other.set_name("eth1");
         *n.add_interfaces() = other;
       },
       "two interfaces have the same name or MAC"},
  };
  for (const auto& [spoil, reason] : cases) {
    v1::Network message = SomeMessage();
    spoil(message, *message.mutable_interfaces(0));
    const auto network = DecodeNetwork(message);
    ASSERT_FALSE(network.ok()) << reason;
    EXPECT_EQ(network.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(network.error().message(), HasSubstr(reason));
  }
}

std::string V6(std::initializer_list<uint8_t> head, std::initializer_list<uint8_t> tail) {
  std::string bytes(head.begin(), head.end());
  bytes.resize(16 - tail.size(), '\0');
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

// Each of them would reach what listens on the pod's loopback interface, or nothing at all.
const std::vector<std::string> kDisguised = {
    V4(127, 0, 0, 1),
    V4(127, 255, 255, 254),
    V6({}, {1}),
    V6({}, {127, 0, 0, 1}),
    V6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {127, 0, 0, 1}),
    V6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {10, 0, 0, 1}),
    V6({0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {127, 0, 0, 1}),
    V6({0, 0x64, 0xff, 0x9b}, {127, 0, 0, 1}),
    V6({0, 0x64, 0xff, 0x9b, 0, 1, 2}, {127, 0, 0, 1})};

TEST(DecodeNetworkTest, NoAddressLeadsToTheLoopbackInterface) {
  std::vector<std::string> wrong = kDisguised;
  wrong.insert(wrong.end(), {V4(0, 0, 0, 1), V4(239, 1, 1, 1), V4(255, 255, 255, 255), V6({}, {}),
                             V6({0xff, 2}, {1})});
  const std::vector<std::function<void(v1::NetworkInterface&, const std::string&)>> places = {
      [](auto& i, const auto& a) { SetPrefix(i.add_addresses(), a, 8); },
      [](auto& i, const auto& a) { i.mutable_neighbours(0)->set_address(a); },
      [](auto& i, const auto& a) {
        SetPrefix(i.mutable_routes(0)->mutable_destination(), std::string(a.size(), '\0'), 0);
        i.mutable_routes(0)->set_gateway(a);
      },
      [](auto& i, const auto& a) {
        SetPrefix(i.mutable_routes(0)->mutable_destination(), std::string(a.size(), '\0'), 0);
        i.mutable_routes(0)->clear_gateway();
        i.mutable_routes(0)->set_source(a);
      }};
  for (const std::string& address : wrong) {
    for (size_t place = 0; place < places.size(); ++place) {
      v1::Network message = SomeMessage();
      places[place](*message.mutable_interfaces(0), address);
      EXPECT_FALSE(DecodeNetwork(message).ok()) << device::AddressText(address) << " at " << place;
    }
  }
  for (const std::string& good : {V4(10, 0, 0, 9), V4(169, 254, 1, 1), V4(128, 0, 0, 1),
                                  V6({0xfe, 0x80}, {1}), V6({0x20, 1, 0xd, 0xb8}, {9})}) {
    for (size_t place = 0; place < places.size(); ++place) {
      v1::Network message = SomeMessage();
      places[place](*message.mutable_interfaces(0), good);
      const auto network = DecodeNetwork(message);
      EXPECT_TRUE(network.ok()) << network.error().message() << " at " << place;
    }
  }
}

TEST(DecodeNetworkTest, NoRouteOrResolverLeadsToTheGuestItself) {
  for (const std::string& address : kDisguised) {
    v1::Network message = SomeMessage();
    auto* route = message.mutable_interfaces(0)->mutable_routes(1);
    route->clear_source();
    SetPrefix(route->mutable_destination(), address, 32);
    const auto network = DecodeNetwork(message);
    ASSERT_FALSE(network.ok()) << device::AddressText(address);
    EXPECT_THAT(network.error().message(), HasSubstr("leads to the guest itself"));
    message = SomeMessage();
    message.set_nameservers(0, address);
    EXPECT_THAT(DecodeNetwork(message)->nameservers, ElementsAre(kV6)) << "a node's own resolver";
  }
  v1::Network message = SomeMessage();
  message.set_nameservers(0, V4(224, 0, 0, 251));
  EXPECT_THAT(DecodeNetwork(message).error().message(), HasSubstr("nameserver 224.0.0.251"));
}

TEST(DecodeNetworkTest, RefusesMoreThanItsLimits) {
  const std::vector<std::pair<Spoil, std::string>> cases = {
      {[](auto& n, auto&) { n.add_interfaces(); }, "interfaces, more than 4"},
      {[](auto&, auto& i) { i.add_addresses(); }, "addresses, more than 16"},
      {[](auto&, auto& i) { i.add_routes(); }, "routes, more than 128"},
      {[](auto&, auto& i) { i.add_neighbours(); }, "neighbours, more than 64"},
      {[](auto& n, auto&) { n.add_nameservers(); }, "nameservers, more than 3"},
      {[](auto& n, auto&) { n.add_searches(); }, "search domains, more than 32"},
      {[](auto& n, auto&) { n.add_options(); }, "resolver options, more than 32"},
  };
  for (const auto& [add, reason] : cases) {
    v1::Network message = SomeMessage();
    for (int i = 0; i < 200; ++i) add(message, *message.mutable_interfaces(0));
    const auto network = DecodeNetwork(message);
    ASSERT_FALSE(network.ok()) << reason;
    EXPECT_THAT(network.error().message(), HasSubstr(reason));
  }
}

// Kernel parameters in memory.
struct FakeParameters {
  SetParameter Set() {
    return [this](const std::string& name, std::string_view value) -> Status {
      if (fail > 0 && --fail == 0) return Error(ErrorCode::kInternal, "parameter made to fail");
      values[name] = value;
      return Ok();
    };
  }
  std::map<std::string, std::string> values;
  int fail = 0;
};

TEST(ApplyNetworkTest, TheInterfaceIsFoundByItsMacAndIsAllThatTheHostSays) {
  FakeNetworkControl control;
  const int link = control.AddLink("enp0s3");
  const auto network = DecodeNetwork(SomeMessage()).value();
  FakeParameters parameters;
  const auto applied = ApplyNetwork(network, control, parameters.Set());
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  EXPECT_EQ(control.link(link).name, "eth0");
  EXPECT_EQ(control.link(link).mtu, 1450U);
  EXPECT_TRUE(control.is_up(link));
  EXPECT_EQ(control.link(link).addresses, network.interfaces[0].addresses);
  ASSERT_THAT(control.routes(), SizeIs(2));
  EXPECT_TRUE(control.routes()[0].gateway.empty()) << "the way to the gateway comes first";
  EXPECT_EQ(control.routes()[1].gateway, V4(10, 0, 0, 1));
  EXPECT_EQ(control.neighbours().front().link, link);
  EXPECT_THAT(parameters.values, IsSupersetOf({Pair("ipv6/conf/eth0/accept_ra", "0"),
                                               Pair("ipv6/conf/eth0/disable_ipv6", "0")}));
}

TEST(ApplyNetworkTest, WithoutAnIpv6AddressThereIsNoIpv6) {
  FakeNetworkControl control;
  control.AddLink("eth0");
  v1::Network message = SomeMessage();
  message.mutable_interfaces(0)->mutable_addresses()->RemoveLast();
  FakeParameters parameters;
  ASSERT_TRUE(ApplyNetwork(DecodeNetwork(message).value(), control, parameters.Set()).ok());
  EXPECT_THAT(parameters.values, Contains(Pair("ipv6/conf/eth0/disable_ipv6", "1")));
}

TEST(ApplyNetworkTest, InterfacesMaySwapTheNamesThatTheKernelGave) {
  FakeNetworkControl control;
  const int first = control.AddLink("eth0");
  const int second = control.AddLink("eth1");
  GuestNetwork network{
      .interfaces = {{.mac = control.link(first).mac, .name = "eth1", .mtu = 1500},
                     {.mac = control.link(second).mac, .name = "eth0", .mtu = 1500}}};
  FakeParameters parameters;
  const auto applied = ApplyNetwork(network, control, parameters.Set());
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  EXPECT_EQ(control.link(first).name, "eth1");
  EXPECT_EQ(control.link(second).name, "eth0");
}

TEST(ApplyNetworkTest, ADeviceThatTheHostLeftOutIsNamed) {
  FakeNetworkControl control;
  FakeParameters parameters;
  const auto applied =
      ApplyNetwork(DecodeNetwork(SomeMessage()).value(), control, parameters.Set());
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().message(),
            "interface 'eth0': this machine has no network device with MAC 02:00:00:00:00:02");
}

TEST(ApplyNetworkTest, EveryFailureIsToldWithItsInterface) {
  const auto network = DecodeNetwork(SomeMessage()).value();
  int calls = 0;
  for (int nth = 1;; ++nth) {
    FakeNetworkControl control;
    control.AddLink("eth0");
    control.FailCall(nth);
    FakeParameters parameters;
    const auto applied = ApplyNetwork(network, control, parameters.Set());
    if (applied.ok()) break;
    ++calls;
    EXPECT_EQ(applied.error().message(), "interface 'eth0': network call made to fail");
  }
  EXPECT_EQ(calls, 9) << "links, aside, name, up, 2 addresses, 2 routes, neighbour";
  for (int nth = 1;; ++nth) {
    FakeNetworkControl control;
    const int link = control.AddLink("eth0");
    FakeParameters parameters{.values = {}, .fail = nth};
    const auto applied = ApplyNetwork(network, control, parameters.Set());
    if (applied.ok()) break;
    EXPECT_EQ(applied.error().message(), "interface 'eth0': parameter made to fail");
    EXPECT_FALSE(control.is_up(link)) << "no link comes up that is not hardened";
  }
}

TEST(HardenNetworkTest, TheGuestForwardsNothingAndBelievesNoRouter) {
  FakeParameters parameters;
  ASSERT_TRUE(HardenNetwork(parameters.Set()).ok());
  EXPECT_THAT(parameters.values,
              IsSupersetOf({Pair("ipv4/ip_forward", "0"), Pair("ipv6/conf/all/forwarding", "0"),
                            Pair("ipv6/conf/default/accept_ra", "0"),
                            Pair("ipv4/conf/all/route_localnet", "0"),
                            Pair("ipv4/conf/default/accept_redirects", "0")}));
  parameters.fail = 3;
  EXPECT_EQ(HardenNetwork(parameters.Set()).error().message(), "parameter made to fail");
}

TEST(NetworkTextsTest, EtcSaysWhatTheNetworkIs) {
  const auto network = DecodeNetwork(SomeMessage()).value();
  EXPECT_EQ(ResolvConfText(network),
            "nameserver 10.96.0.10\nnameserver fd00::2\nsearch a.example example\n"
            "options ndots:5\n");
  EXPECT_EQ(
      HostsText(network, "web"),
      "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.2 web\nfd00::2 web\n");
  EXPECT_EQ(ResolvConfText({}), "");
  EXPECT_EQ(HostsText({}, "web"),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 web\n");
}

TEST(KernelNetworkTest, TheSameHappensInAKernel) {
  if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root, to make a network namespace";
  const auto wired = RunCommand({"sh", "-c",
                                 "ip link add enp0s3 address 02:00:00:00:00:02 type veth peer name "
                                 "outside && ip link set outside up"});
  ASSERT_TRUE(wired.ok() && wired->exit_status == 0);
  ASSERT_TRUE(HardenNetwork(SetNetworkParameter).ok());
  const auto control = device::OpenKernelNetworkControl().value();
  const auto network = DecodeNetwork(SomeMessage()).value();
  const auto applied = ApplyNetwork(network, *control, SetNetworkParameter);
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  const auto links = control->Links().value();
  const auto eth0 = std::ranges::find(links, "eth0", &device::NetworkLink::name);
  ASSERT_NE(eth0, links.end());
  EXPECT_EQ(eth0->addresses, network.interfaces[0].addresses);
  EXPECT_THAT(control->Routes().value(), SizeIs(2));
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv6/conf/eth0/accept_ra", 8).value(), "0\n");
  EXPECT_TRUE(SetNetworkParameter("ipv6/conf/no-such-link/accept_ra", "0").ok())
      << "a kernel without it has nothing to switch off";
}

}  // namespace
}  // namespace locket::guest_agent
