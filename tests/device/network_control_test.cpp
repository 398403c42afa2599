#include "device/network_control.h"

#include <sched.h>

#include "base/subprocess.h"
#include "device/fake_network_control.h"
#include "device/kernel_network_control.h"
#include "tests/device/network_control_conformance.h"

namespace locket::device {
namespace {

std::unique_ptr<NetworkControl> Fake() {
  auto fake = std::make_unique<FakeNetworkControl>();
  fake->AddLink("left");
  fake->AddLink("right");
  return fake;
}

// This thread and what it starts move to a network namespace of their own, as often as asked.
std::unique_ptr<NetworkControl> Kernel() {
  if (::unshare(CLONE_NEWNET) != 0) return nullptr;
  const auto wired =
      RunCommand({"ip", "link", "add", "left", "type", "veth", "peer", "name", "right"});
  EXPECT_TRUE(wired.ok() && wired->exit_status == 0) << (wired.ok() ? wired->standard_error : "");
  auto network = OpenKernelNetworkControl();
  EXPECT_TRUE(network.ok());
  return network.ok() ? std::move(network).value() : nullptr;
}

INSTANTIATE_TEST_SUITE_P(NetworkControl, NetworkControlConformanceTest,
                         ::testing::Values(NetworkMaker{"fake", Fake},
                                           NetworkMaker{"kernel", Kernel}),
                         [](const auto& maker) { return std::string(maker.param.name); });

TEST(NetworkTextTest, AddressesAreWrittenAsUsual) {
  EXPECT_EQ(AddressText(std::string("\x0a\x00\x00\x01", 4)), "10.0.0.1");
  EXPECT_EQ(AddressText("\xfd" + std::string(14, '\0') + "\x01"), "fd00::1");
  EXPECT_EQ(AddressText("abc"), "?");
  EXPECT_EQ(PrefixText({.address = std::string(4, '\0'), .length = 0}), "0.0.0.0/0");
  EXPECT_EQ(MacText({0x02, 0xab, 0, 1, 2, 3}), "02:ab:00:01:02:03");
}

}  // namespace
}  // namespace locket::device
