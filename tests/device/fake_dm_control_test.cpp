#include "device/fake_dm_control.h"

#include "tests/device/dm_control_conformance.h"

namespace locket::device {

INSTANTIATE_TEST_SUITE_P(Fake, DmControlConformanceTest,
                         ::testing::Values(DmControlMaker{"memory", +[] {
                                                            return std::unique_ptr<DmControl>(
                                                                std::make_unique<FakeDmControl>());
                                                          }}));

}  // namespace locket::device
