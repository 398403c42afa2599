// What a guest that takes its time over a removal does to its pod, and what one that hangs does.
#include <algorithm>
#include <thread>

#include "tests/runtime-shim/task/pod_fixture.h"

namespace locket::runtime_shim {
namespace {

using ::testing::SizeIs;

class RemovalTest : public PodTest {};

TEST_F(RemovalTest, AGuestThatAnswersNothingAtARemovalLosesItsVm) {
  config_.call_timeout = seconds(1);
  NewPod();
  RunSandbox();
  RunContainer("one");
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  agent_.HangMethod("DeleteContainer");
  agent_.HangMethod("GetInfo");
  EXPECT_EQ(pod_->Delete("one")->exit->status, 0U);
  ASSERT_TRUE(machine_->ended());
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
}

// As with hundreds of thousands of files to remove.
TEST_F(RemovalTest, AGuestThatIsBusyRemovingAContainerKeepsItsPod) {
  config_.call_timeout = seconds(6);  // so that it is asked after 2 s what it does
  NewPod();
  RunSandbox();
  RunContainer("one");
  RunContainer("other", "c");
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  agent_.HangMethod("DeleteContainer");
  std::jthread finish([this] {
    EXPECT_TRUE(agent_.WaitCall("GetInfo", 2)) << "the first was the boot's";
    agent_.ReleaseMethod("DeleteContainer");
  });
  EXPECT_EQ(pod_->Delete("one")->exit->status, 0U);
  finish.join();
  EXPECT_THAT(machine_->disks(), SizeIs(1)) << "the layers of what is removed are gone";
  EXPECT_EQ(std::ranges::count(agent_.calls(), "DeleteContainer one"), 1);
  EXPECT_EQ(pod_->State("other")->status, TaskStatus::kRunning);
  EXPECT_FALSE(machine_->ended());
}

// It answers, so its pod lives; but nobody waits for ever, and the pod can be removed.
TEST_F(RemovalTest, ARemovalThatNeverEndsCostsNoOtherContainerAndKeepsNobodyWaiting) {
  config_.call_timeout = seconds(1);
  NewPod();
  RunSandbox();
  RunContainer("one");
  RunContainer("other", "c");
  agent_.End("one", 0);
  ASSERT_TRUE(pod_->Wait("one").ok());
  agent_.HangMethod("DeleteContainer");
  EXPECT_EQ(pod_->Delete("one")->exit->status, 0U);
  EXPECT_THAT(machine_->disks(), SizeIs(3)) << "the guest uses the layers still";
  EXPECT_EQ(pod_->State("one").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(pod_->State("other")->status, TaskStatus::kRunning);
  EXPECT_FALSE(machine_->ended());
  ASSERT_TRUE(pod_->Kill("pod", SIGKILL, false).ok());
  EXPECT_EQ(pod_->Wait("other")->status, kKilledStatus);
  EXPECT_EQ(pod_->Wait("pod")->status, kKilledStatus);
  EXPECT_TRUE(pod_->Delete("other").ok());
  EXPECT_TRUE(pod_->Delete("pod").ok());
}

}  // namespace
}  // namespace locket::runtime_shim
