#include "snapshotter/cache/blob_claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>

namespace locket::snapshotter {
namespace {

constexpr std::chrono::milliseconds kMoment{20};

class BlobClaimsTest : public ::testing::Test {
 protected:
  // Brings the blob for an image, once `go_on` is counted down.
  Status Bring(const std::string& reference, std::latch* go_on = nullptr, Status outcome = Ok()) {
    return claims_.RunOnce({.digest = digest_,
                            .reference = reference,
                            .is_there = [this](bool) { return is_there_.load(); },
                            .work =
                                [&] {
                                  ++num_works_;
                                  begun_.count_down();
                                  if (go_on != nullptr) go_on->wait();
                                  if (outcome.ok()) is_there_ = true;
                                  return outcome;
                                }});
  }

  const std::string digest_ = "sha256:d";
  BlobClaims claims_;
  std::latch begun_{1};
  std::atomic<bool> is_there_ = false;
  std::atomic<int> num_works_ = 0;
};

TEST_F(BlobClaimsTest, OneWorksAndTheOthersWaitForIt) {
  std::latch go_on(1);
  auto first = std::async(std::launch::async, [&] { return Bring("r/i:1", &go_on); });
  begun_.wait();
  auto second = std::async(std::launch::async, [&] { return Bring("r/i:2"); });
  EXPECT_EQ(claims_.num_running(), 1U);
  EXPECT_TRUE(claims_.IsClaimed(digest_));
  go_on.count_down();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(num_works_, 1);
  EXPECT_FALSE(claims_.IsClaimed(digest_));
  EXPECT_TRUE(Bring("r/i:3").ok());
  EXPECT_EQ(num_works_, 1) << "it is there";
}

TEST_F(BlobClaimsTest, AFailureCountsForTheSameImageOnly) {
  std::latch go_on(1);
  auto first = std::async(std::launch::async, [&] {
    return Bring("bad/i:1", &go_on, Error(ErrorCode::kPermissionDenied, "no"));
  });
  begun_.wait();
  auto good = std::async(std::launch::async, [&] { return Bring("good/i:1"); });
  go_on.count_down();
  EXPECT_EQ(first.get().error().code(), ErrorCode::kPermissionDenied);
  EXPECT_TRUE(good.get().ok());
}

TEST_F(BlobClaimsTest, ARemovalDoesNotBeginBesideWorkAPinOrAnotherRemoval) {
  std::latch go_on(1);
  auto work = std::async(std::launch::async, [&] { return Bring("r/i:1", &go_on); });
  begun_.wait();
  EXPECT_EQ(claims_.BeginRemoval(digest_), nullptr);
  go_on.count_down();
  EXPECT_TRUE(work.get().ok());
  claims_.Pin(digest_);
  claims_.Pin(digest_);
  claims_.Unpin(digest_);
  EXPECT_EQ(claims_.BeginRemoval(digest_), nullptr) << "one of two pins is left";
  claims_.Unpin(digest_);
  const auto removal = claims_.BeginRemoval(digest_);
  ASSERT_NE(removal, nullptr);
  EXPECT_EQ(claims_.BeginRemoval(digest_), nullptr);
  EXPECT_NE(claims_.BeginRemoval("sha256:other"), nullptr);
}

TEST_F(BlobClaimsTest, PinsAndWorkWaitForARemovalUnderWay) {
  auto removal = claims_.BeginRemoval(digest_);
  ASSERT_NE(removal, nullptr);
  auto pin = std::async(std::launch::async, [&] { claims_.Pin(digest_); });
  auto work = std::async(std::launch::async, [&] { return Bring("r/i:1"); });
  EXPECT_EQ(pin.wait_for(kMoment), std::future_status::timeout);
  EXPECT_EQ(work.wait_for(kMoment), std::future_status::timeout);
  EXPECT_EQ(num_works_, 0);
  removal.reset();
  pin.get();
  EXPECT_TRUE(work.get().ok());
  EXPECT_TRUE(claims_.IsClaimed(digest_));
}

}  // namespace
}  // namespace locket::snapshotter
