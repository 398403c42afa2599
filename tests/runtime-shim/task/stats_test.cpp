#include "runtime-shim/task/stats.h"

#include <gmock/gmock.h>

#include "proto/cgroups_v1.pb.h"
#include "proto/cgroups_v2.pb.h"

namespace locket::runtime_shim {
namespace {

const CgroupUsage kUsage{.cpu_ns = 3000,
                         .cpu_user_ns = 2000,
                         .cpu_system_ns = 1000,
                         .memory_bytes = 500,
                         .memory_limit_bytes = 900,
                         .anon_bytes = 300,
                         .inactive_file_bytes = 100,
                         .page_faults = 7,
                         .pids = 4};

// The figures that containerd's CRI plugin makes a container's usage of.
TEST(StatsTest, Version1IsWhatContainerdReads) {
  const auto any = MetricsOf({.usage = kUsage, .unified = false});
  EXPECT_EQ(any.type_url(), "io.containerd.cgroups.v1.Metrics");
  io::containerd::cgroups::v1::Metrics metrics;
  ASSERT_TRUE(metrics.ParseFromString(any.value()));
  EXPECT_EQ(metrics.cpu().usage().total(), 3000U);
  EXPECT_EQ(metrics.memory().usage().usage(), 500U);
  EXPECT_EQ(metrics.memory().usage().limit(), 900U);
  EXPECT_EQ(metrics.memory().total_inactive_file(), 100U);
  EXPECT_EQ(metrics.memory().total_rss(), 300U);
  EXPECT_EQ(metrics.memory().total_pg_fault(), 7U);
  EXPECT_EQ(metrics.pids().current(), 4U);
  EXPECT_EQ(metrics.pids().limit(), 0U);
}

TEST(StatsTest, Version2IsWhatContainerdReads) {
  const auto any = MetricsOf({.usage = kUsage, .unified = true});
  EXPECT_EQ(any.type_url(), "io.containerd.cgroups.v2.Metrics");
  io::containerd::cgroups::v2::Metrics metrics;
  ASSERT_TRUE(metrics.ParseFromString(any.value()));
  EXPECT_EQ(metrics.cpu().usage_usec(), 3U);
  EXPECT_EQ(metrics.memory().usage(), 500U);
  EXPECT_EQ(metrics.memory().usage_limit(), 900U);
  EXPECT_EQ(metrics.memory().inactive_file(), 100U);
  EXPECT_EQ(metrics.memory().anon(), 300U);
  EXPECT_EQ(metrics.memory().pgfault(), 7U);
  EXPECT_EQ(metrics.pids().current(), 4U);
}

}  // namespace
}  // namespace locket::runtime_shim
