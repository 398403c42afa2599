#include "snapshotter/store/snapshot_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/snapshotter/store/fake_store.h"

namespace locket::snapshotter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Snapshot Record(uint64_t id, const std::string& name, const std::string& parent = "") {
  return {.id = id,
          .kind = Kind::kCommitted,
          .name = name,
          .parent = parent,
          .created_ns = 1,
          .updated_ns = 1,
          .labels = {{std::string(kSnapshotRefLabel), "chain-" + name}}};
}

class SnapshotRecordsTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    auto opened = SnapshotRecords::Open(store_);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    records_ = std::move(*opened);
  }
  void Put(const Snapshot& snapshot) { ASSERT_TRUE(records_->Write({.put = {snapshot}}).ok()); }

  FakeStore store_;
  std::unique_ptr<SnapshotRecords> records_;
};

TEST_F(SnapshotRecordsTest, WhatWasWrittenIsThereNowAndAfterARestart) {
  Put(Record(1, "base"));
  Put(Record(2, "top", "base"));
  for (int i = 0; i < 2; ++i) {
    const auto found = records_->GetLineage("top");
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->snapshot->id, 2U);
    ASSERT_EQ(found->parents.size(), 1U);
    EXPECT_EQ(found->parents[0]->name, "base");
    EXPECT_TRUE(records_->HasChildren("base"));
    EXPECT_FALSE(records_->HasChildren("top"));
    EXPECT_EQ(records_->size(), 2U);
    Reopen();
  }
}

TEST_F(SnapshotRecordsTest, AWriteThatFailsChangesNothingInMemory) {
  store_.FailCall(1);
  EXPECT_FALSE(records_->Write({.put = {Record(1, "base")}}).ok());
  EXPECT_EQ(records_->Get("base").error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(records_->All(), IsEmpty());
}

TEST_F(SnapshotRecordsTest, SaysWhereANewSnapshotGoes) {
  Put(Record(1, "base"));
  Put(Record(2, "top", "base"));
  const auto place = records_->PlaceFor("new", "base", "chain-top");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->parents.size(), 1U);
  EXPECT_EQ(place->layer->name, "top");
  EXPECT_EQ(records_->PlaceFor("new", "base", "chain-other")->layer, nullptr);
  EXPECT_EQ(records_->PlaceFor("new", "top", "chain-top")->layer, nullptr) << "on another parent";
  EXPECT_EQ(records_->PlaceFor("new", "base")->layer, nullptr) << "nobody asked for a layer";
  EXPECT_EQ(records_->PlaceFor("top", "base").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(records_->PlaceFor("new", "absent").error().code(), ErrorCode::kNotFound);
}

TEST_F(SnapshotRecordsTest, NoIdIsGivenOutTwiceAlsoAfterAKill) {
  uint64_t last = 0;
  const int calls = store_.num_calls();
  for (int i = 0; i < 10; ++i) {
    const auto id = records_->TakeId();
    ASSERT_TRUE(id.ok());
    EXPECT_GT(*id, last);
    last = *id;
  }
  EXPECT_EQ(store_.num_calls(), calls + 1) << "the store hears of many at once";
  Reopen();
  EXPECT_GT(*records_->TakeId(), last);
}

TEST_F(SnapshotRecordsTest, AnIdThatTheStoreDidNotHearOfIsNotGivenOut) {
  store_.FailCall(1);
  EXPECT_EQ(records_->TakeId().error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(records_->TakeId().ok());
}

TEST_F(SnapshotRecordsTest, ABusyIdIsInUseAsLongAsAnyHoldsIt) {
  Put(Record(1, "base"));
  {
    const SnapshotRecords::BusyId busy(*records_, 7);
    {
      const SnapshotRecords::BusyId again(*records_, 7);
      EXPECT_THAT(records_->IdsInUse(), ElementsAre(1, 7));
    }
    EXPECT_THAT(records_->IdsInUse(), ElementsAre(1, 7));
  }
  EXPECT_THAT(records_->IdsInUse(), ElementsAre(1));
}

TEST_F(SnapshotRecordsTest, RecordsThatContradictEachOtherAreRefused) {
  Put(Record(1, "base"));
  ASSERT_TRUE(store_.Apply({.put = {Record(2, "base")}}).ok());
  const auto opened = SnapshotRecords::Open(store_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(opened.error().message(), HasSubstr("load snapshots"));
}

}  // namespace
}  // namespace locket::snapshotter
