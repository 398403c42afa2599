// Disks that come and go while a guest opens them, faster than its kernel hears of it.
#include <gmock/gmock.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "rpc/transport.h"
#include "runtime-shim/hypervisor/qmp.h"
#include "tests/guest-agent/vm_fixture.h"

namespace locket::guest_agent {
namespace {

constexpr auto kQmpTimeout = std::chrono::seconds(60);
constexpr int kTargets = 250;

// Both processors of this machine are taken, as on a full node.
class BusyMachine {
 public:
  BusyMachine() {
    for (auto& thread : threads_) {
      thread = std::jthread([](const std::stop_token& stop) {
        volatile unsigned work = 0;
        while (!stop.stop_requested()) work = work + 1;
      });
    }
  }

 private:
  std::array<std::jthread, 2> threads_;
};

class HotPlugVmTest : public VmTest {
 protected:
  int Plugs() const {
    const char* value = std::getenv("LOCKET_PLUGS");
    return value != nullptr ? std::atoi(value) : 40;
  }

  // Plugs `layer` in under its one serial, at a place of its own.
  static void Plug(runtime_shim::QmpClient& qmp, const FixtureLayer& layer, int number) {
    const std::string node = "hot" + std::to_string(number);
    const auto added = qmp.Execute("blockdev-add", Json{{"driver", "file"},
                                                        {"node-name", node},
                                                        {"filename", layer.blob.string()},
                                                        {"read-only", true}}
                                                       .dump());
    ASSERT_TRUE(added.ok()) << added.error().message();
    const auto plugged =
        qmp.Execute("device_add", Json{{"driver", "scsi-hd"},
                                       {"id", "device-" + node},
                                       {"bus", "scsi0.0"},
                                       {"channel", 0},
                                       {"scsi-id", number % kTargets},
                                       {"lun", 1 + number / kTargets},
                                       {"drive", node},
                                       {"serial", layer.descriptor.digest.Hex().substr(0, 32)}}
                                      .dump());
    ASSERT_TRUE(plugged.ok()) << plugged.error().message();
  }

  static void Unplug(runtime_shim::QmpClient& qmp, int number) {
    const std::string node = "hot" + std::to_string(number);
    const std::string device = "device-" + node;
    ASSERT_TRUE(qmp.Execute("device_del", Json{{"id", device}}.dump()).ok());
    ASSERT_TRUE(qmp.WaitDeviceDeleted(device, kQmpTimeout).ok());
    ASSERT_TRUE(qmp.Execute("blockdev-del", Json{{"node-name", node}}.dump()).ok());
  }
};

// The disk that leaves and the one that comes have one serial, and the guest is asked to open the
// layer at once, while its kernel still shows the first.
TEST_F(HotPlugVmTest, ALayerOpensHoweverOftenItsDiskWasTakenOut) {
  const auto& root = directory_->path();
  std::filesystem::create_directories(root / "hot");
  std::ofstream(root / "hot/file") << "text";
  const auto layer = SealTree(root / "hot", root / "hot.blob");
  ASSERT_TRUE(layer.ok()) << layer.error().message();
  const FixtureImage image = MakeImage({*base_, *layer}, {.argv = {"/bin/true"}});
  Guest guest = Boot(PinningInitdata({image.manifest_digest()}));
  ASSERT_TRUE(guest.CreateSandbox().ok()) << guest.vm().Console();
  auto socket = rpc::ConnectUnix(guest.vm().qmp());
  ASSERT_TRUE(socket.ok()) << socket.error().message();
  const auto qmp = runtime_shim::QmpClient::Create(std::move(*socket), kQmpTimeout);
  ASSERT_TRUE(qmp.ok()) << qmp.error().message();

  const BusyMachine busy;
  int failed = 0;
  for (int i = 0; i < Plugs(); ++i) {
    ASSERT_NO_FATAL_FAILURE(Plug(**qmp, *layer, i));
    const auto prepared = guest.Prepare("c", image);
    EXPECT_TRUE(prepared.ok()) << i << ": " << prepared.error().message();
    failed += prepared.ok() ? 0 : 1;
    ASSERT_TRUE(guest.Delete("c").ok());
    ASSERT_NO_FATAL_FAILURE(Unplug(**qmp, i));
  }
  EXPECT_EQ(failed, 0) << "of " << Plugs();
  EXPECT_THAT(guest.vm().Console(), ::testing::Not(::testing::HasSubstr("leaving")));
}

}  // namespace
}  // namespace locket::guest_agent
