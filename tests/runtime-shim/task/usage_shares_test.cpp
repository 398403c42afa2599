#include "runtime-shim/task/usage_shares.h"

#include <gmock/gmock.h>

namespace locket::runtime_shim {
namespace {

TEST(UsageSharesTest, OneContainerHasAllOfIt) {
  UsageShares shares;
  const CgroupUsage whole{.cpu_ns = 1000,
                          .cpu_user_ns = 600,
                          .cpu_system_ns = 400,
                          .memory_bytes = 50,
                          .memory_peak_bytes = 60,
                          .memory_limit_bytes = 70,
                          .anon_bytes = 30,
                          .file_bytes = 20,
                          .inactive_file_bytes = 10,
                          .page_faults = 4,
                          .major_page_faults = 2,
                          .pids = 3,
                          .pids_limit = 9};
  EXPECT_EQ(shares.Of("a", whole, {"a"}), whole);
}

TEST(UsageSharesTest, SharesAddUpToTheWholeAndNeverGoBack) {
  UsageShares shares;
  EXPECT_EQ(shares.Of("a", {.cpu_ns = 1000, .memory_bytes = 80}, {"a"}).cpu_ns, 1000U);
  // `b` starts: what comes from now on is halved, an odd one waits.
  const CgroupUsage later{.cpu_ns = 1401, .memory_bytes = 90};
  const auto a = shares.Of("a", later, {"a", "b"});
  const auto b = shares.Of("b", later, {"a", "b"});
  EXPECT_EQ(a.cpu_ns, 1200U);
  EXPECT_EQ(b.cpu_ns, 200U);
  EXPECT_EQ(a.memory_bytes + b.memory_bytes, 90U);
  EXPECT_EQ(a.memory_limit_bytes, kNoLimit);
  // `a` ends: it keeps what it took, and holds nothing.
  const CgroupUsage last{.cpu_ns = 1500, .memory_bytes = 90};
  EXPECT_EQ(shares.Of("a", last, {"b"}), (CgroupUsage{.cpu_ns = 1200}));
  EXPECT_EQ(shares.Of("b", last, {"b"}).cpu_ns, 300U);
  EXPECT_EQ(shares.Of("b", {.cpu_ns = 1499}, {"b"}).cpu_ns, 300U) << "an older reading";
}

TEST(UsageSharesTest, WithNobodyRunningItWaitsForTheNext) {
  UsageShares shares;
  EXPECT_EQ(shares.Of("a", {.cpu_ns = 10, .memory_bytes = 5}, {}), CgroupUsage{});
  EXPECT_EQ(shares.Of("a", {.cpu_ns = 12}, {"a"}).cpu_ns, 12U);
  shares.Forget("a");
  EXPECT_EQ(shares.Of("a", {.cpu_ns = 12}, {"a"}).cpu_ns, 0U);
}

}  // namespace
}  // namespace locket::runtime_shim
