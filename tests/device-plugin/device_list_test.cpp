#include "device-plugin/device_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace locket::device_plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kNow{0};
const std::atomic<bool> kGoOn = false;
constexpr std::chrono::seconds kForever{3600};

TEST(DeviceListTest, WhatWasShownStaysAsUnhealthy) {
  DeviceList list(Tee::kSnp);
  EXPECT_TRUE(list.SetCount(2));
  EXPECT_FALSE(list.SetCount(2));
  EXPECT_THAT(list.Next(0, kNow, kGoOn)->devices,
              ElementsAre(Device{"snp-0", true}, Device{"snp-1", true}));
  EXPECT_TRUE(list.SetCount(1));
  EXPECT_THAT(list.Next(0, kNow, kGoOn)->devices,
              ElementsAre(Device{"snp-0", true}, Device{"snp-1", false}));
  EXPECT_TRUE(list.SetCount(3));
  EXPECT_THAT(list.Next(0, kNow, kGoOn)->devices,
              ElementsAre(Device{"snp-0", true}, Device{"snp-1", true}, Device{"snp-2", true}));
  EXPECT_EQ(list.shown(), 3U);
  EXPECT_EQ(list.healthy(), 3U);
}

TEST(DeviceListTest, TheSameListIsNotToldTwice) {
  DeviceList list(Tee::kTdx);
  const auto empty = list.Next(0, kNow, kGoOn);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->devices.empty());
  EXPECT_FALSE(list.Next(empty->number, kNow, kGoOn));
  list.SetCount(1);
  EXPECT_TRUE(list.Next(empty->number, kNow, kGoOn));
}

TEST(DeviceListTest, AChangeWakesWhoeverWaits) {
  DeviceList list(Tee::kSnp);
  const uint64_t seen = list.Next(0, kNow, kGoOn)->number;
  std::jthread changer([&] { list.SetCount(5); });
  const auto version = list.Next(seen, kForever, kGoOn);
  ASSERT_TRUE(version);
  EXPECT_EQ(version->devices.size(), 5U);
}

TEST(DeviceListTest, StoppingEndsTheWaiting) {
  DeviceList list(Tee::kSnp);
  std::atomic<bool> stop = false;
  const uint64_t seen = list.Next(0, kNow, stop)->number;
  std::jthread stopper([&] {
    stop = true;
    list.Wake();
  });
  EXPECT_FALSE(list.Next(seen, kForever, stop));
  EXPECT_FALSE(list.Next(0, kForever, stop));
}

TEST(DeviceListTest, KnowsItsDevicesByName) {
  DeviceList list(Tee::kSnp);
  list.SetCount(12);
  list.SetCount(10);
  EXPECT_TRUE(list.Check("snp-0").ok());
  EXPECT_TRUE(list.Check("snp-9").ok());
  EXPECT_EQ(list.Check("snp-10").error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(list.Check("snp-11").error().message(), HasSubstr("'snp-11' is there no more"));
  for (const char* id : {"snp-12", "snp-", "snp", "", "tdx-0", "snp-00", "snp-1x", "snp--1",
                         "snp-18446744073709551617"}) {
    EXPECT_EQ(list.Check(id).error().code(), ErrorCode::kInvalidArgument) << id;
    EXPECT_THAT(list.Check(id).error().message(), HasSubstr("was never announced"));
  }
}

}  // namespace
}  // namespace locket::device_plugin
