#include "guest-agent/broker/virtio_ports.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

TEST(VirtioPortsTest, AllAreNamedOnceEveryOneIs) {
  const auto ports = TempDir::Create(::testing::TempDir(), "ports");
  ASSERT_TRUE(ports.ok());
  EXPECT_FALSE(AllPortsNamed(ports->path())) << "none are announced yet";
  for (const char* port : {"vport1p1", "vport1p2"}) {
    std::filesystem::create_directory(ports->path() / port);
  }
  std::ofstream(ports->path() / "vport1p1/name") << "dev.locket.agent\n";
  EXPECT_FALSE(AllPortsNamed(ports->path()));
  std::ofstream(ports->path() / "vport1p2/name") << "dev.locket.relay\n";
  EXPECT_TRUE(AllPortsNamed(ports->path()));
}

}  // namespace
}  // namespace locket::guest_agent
