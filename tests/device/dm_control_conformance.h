// What every DmControl promises. Instantiated for the fake in unit tests and for the kernel in a
// program that runs inside the VM, so the fake cannot drift away from what it stands for.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <ostream>

#include "device/dm_control.h"

namespace locket::device {

struct DmControlMaker {
  const char* name;
  std::unique_ptr<DmControl> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const DmControlMaker& maker) {
    return out << maker.name;
  }
};

class DmControlConformanceTest : public ::testing::TestWithParam<DmControlMaker> {
 protected:
  std::unique_ptr<DmControl> dm_ = GetParam().make();
  const std::array<DmTarget, 1> table_{DmTarget{.num_sectors = 8, .type = "error", .params = ""}};
};

TEST_P(DmControlConformanceTest, RefusesASecondDeviceOfTheSameName) {
  ASSERT_TRUE(dm_->Create("locket-test", table_, DmAccess::kReadOnly).ok());
  const auto second = dm_->Create("locket-test", table_, DmAccess::kReadOnly);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(dm_->Remove("locket-test").ok());
}

TEST_P(DmControlConformanceTest, ARemovedNameCanBeUsedAgain) {
  for (int i = 0; i < 2; ++i) {
    const auto path = dm_->Create("locket-test", table_, DmAccess::kReadOnly);
    ASSERT_TRUE(path.ok()) << path.error().message();
    EXPECT_TRUE(path->starts_with("/dev/")) << *path;
    EXPECT_TRUE(dm_->Remove("locket-test").ok());
  }
}

TEST_P(DmControlConformanceTest, RemovingAnAbsentDeviceSucceeds) {
  EXPECT_TRUE(dm_->Remove("locket-test-absent").ok());
}

TEST_P(DmControlConformanceTest, WhatNobodyHasOpenIsRemovedAtOnceByEitherWay) {
  ASSERT_TRUE(dm_->Create("locket-test", table_, DmAccess::kReadOnly).ok());
  EXPECT_TRUE(dm_->RemoveWhenClosed("locket-test").ok());
  EXPECT_EQ(dm_->TargetStatus("locket-test").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(dm_->RemoveWhenClosed("locket-test").ok());
}

TEST_P(DmControlConformanceTest, AnAbsentDeviceHasNoStatus) {
  const auto status = dm_->TargetStatus("locket-test-absent");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kNotFound);
}

TEST_P(DmControlConformanceTest, ATargetWithoutAStatusHasAnEmptyOne) {
  ASSERT_TRUE(dm_->Create("locket-test", table_, DmAccess::kReadOnly).ok());
  const auto status = dm_->TargetStatus("locket-test");
  ASSERT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(*status, "");
  EXPECT_TRUE(dm_->Remove("locket-test").ok());
}

}  // namespace locket::device
