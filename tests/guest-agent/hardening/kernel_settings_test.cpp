// Which parameters are set. That the kernel does as it is told is for vm_test.cpp.
#include "guest-agent/hardening/kernel_settings.h"

#include <gmock/gmock.h>

#include <map>

namespace locket::guest_agent {
namespace {

using ::testing::IsSupersetOf;
using ::testing::Pair;

TEST(KernelSettingsTest, SysRqAndTracesOfCrashesAreOff) {
  std::map<std::string, std::string> set;
  ASSERT_TRUE(FixKernelSettings([&](const std::string& name, std::string_view value) {
                set[name] = value;
                return Ok();
              }).ok());
  EXPECT_THAT(set,
              IsSupersetOf({Pair("kernel/sysrq", "0"), Pair("debug/exception-trace", "0"),
                            Pair("kernel/printk", "4 4 1 4"), Pair("user/max_user_namespaces", "0"),
                            Pair("net/ipv4/ip_unprivileged_port_start", "0")}));
}

TEST(KernelSettingsTest, EveryFailureButALaterKernelsParameterEndsTheBoot) {
  int calls = 0;
  int passed = 0;
  for (int nth = 1;; ++nth) {
    for (const auto code : {ErrorCode::kInternal, ErrorCode::kNotFound}) {
      calls = 0;
      std::string broken;
      const Status fixed = FixKernelSettings([&](const std::string& name, std::string_view) {
        if (++calls != nth) return Ok();
        broken = name;
        return Status(Error(code, "made to fail"));
      });
      if (broken.empty()) {
        EXPECT_GT(nth, 10);
        EXPECT_EQ(passed, 2) << "kexec_load_disabled, io_uring_disabled";
        return;
      }
      EXPECT_FALSE(code == ErrorCode::kInternal && fixed.ok()) << broken;
      if (fixed.ok()) ++passed;
    }
  }
}

TEST(KernelSettingsTest, AParameterThatTheKernelLacksIsNotFound) {
  const Status set = SetKernelParameter("kernel/no-such-thing", "1");
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace locket::guest_agent
