// What every Store promises, for the fake and for the real one.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "snapshotter/store/store.h"
#include "tests/snapshotter/store/some_snapshot.h"

namespace locket::snapshotter {

// Opens the same store again and again, as restarts do; one at a time.
struct StoreFactory {
  std::string name;
  std::function<std::function<std::unique_ptr<Store>()>()> make;
};
inline void PrintTo(const StoreFactory& store, std::ostream* out) { *out << store.name; }

class StoreConformanceTest : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    open_ = GetParam().make();
    store_ = open_();
    ASSERT_NE(store_, nullptr);
  }
  void Reopen() {
    store_.reset();
    store_ = open_();
    ASSERT_NE(store_, nullptr);
  }

  std::function<std::unique_ptr<Store>()> open_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreConformanceTest, IsEmptyAtFirst) {
  const auto contents = store_->Load();
  ASSERT_TRUE(contents.ok());
  EXPECT_TRUE(contents->snapshots.empty());
  EXPECT_EQ(contents->next_id, 1U);
}

TEST_P(StoreConformanceTest, GivesBackEverythingAfterReopening) {
  const Snapshot two = SomeSnapshot(2, "two");
  const Snapshot big = SomeSnapshot(300, "three hundred");
  ASSERT_TRUE(store_->Apply({.put = {big, two}, .next_id = 301}).ok());
  Reopen();
  const auto contents = store_->Load();
  ASSERT_TRUE(contents.ok());
  EXPECT_THAT(contents->snapshots, ::testing::ElementsAre(two, big)) << "ascending by id";
  EXPECT_EQ(contents->next_id, 301U);
}

TEST_P(StoreConformanceTest, APutReplacesAndAnEraseForgets) {
  ASSERT_TRUE(store_->Apply({.put = {SomeSnapshot(1, "old"), SomeSnapshot(2, "x")}}).ok());
  const Snapshot renamed = SomeSnapshot(1, "new");
  ASSERT_TRUE(store_->Apply({.put = {renamed}, .erase = {2}}).ok());
  Reopen();
  EXPECT_THAT(store_->Load()->snapshots, ::testing::ElementsAre(renamed));
}

TEST_P(StoreConformanceTest, ErasingAnAbsentIdSucceeds) {
  EXPECT_TRUE(store_->Apply({.erase = {77}}).ok());
}

TEST_P(StoreConformanceTest, NeverGivesAnIdAgainEvenIfItsSnapshotIsGone) {
  ASSERT_TRUE(store_->Apply({.put = {SomeSnapshot(9, "x")}, .next_id = 10}).ok());
  ASSERT_TRUE(store_->Apply({.erase = {9}}).ok());
  Reopen();
  EXPECT_EQ(store_->Load()->next_id, 10U);
}

}  // namespace locket::snapshotter
