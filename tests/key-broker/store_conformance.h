// What every Store promises. Instantiated for the fake and for RocksDB.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/encoding.h"
#include "key-broker/store.h"

namespace locket::key_broker {

struct StoreMaker {
  std::string name;
  std::function<std::unique_ptr<Store>()> make;
};
inline void PrintTo(const StoreMaker& store, std::ostream* out) { *out << store.name; }

class StoreConformanceTest : public ::testing::TestWithParam<StoreMaker> {
 protected:
  StoreConformanceTest() : store_(GetParam().make()) {}
  std::string Read(Table table, const std::string& name) const {
    const auto got = store_->Get(table, name);
    return got.ok() ? std::string(AsText(got->Reveal())) : "(none)";
  }
  std::unique_ptr<Store> store_;
};

TEST_P(StoreConformanceTest, GivesBackWhatWasPut) {
  const std::string binary("\0\xff secret", 9);
  ASSERT_TRUE(store_->Put(Table::kResource, "a/b/c", AsBytes(binary)).ok());
  EXPECT_EQ(Read(Table::kResource, "a/b/c"), binary);
  ASSERT_TRUE(store_->Put(Table::kResource, "a/b/c", AsBytes("other")).ok());
  EXPECT_EQ(Read(Table::kResource, "a/b/c"), "other");
}

TEST_P(StoreConformanceTest, KeepsTablesApart) {
  ASSERT_TRUE(store_->Put(Table::kResource, "a/b/c", AsBytes("resource")).ok());
  EXPECT_EQ(store_->Get(Table::kPolicy, "a/b/c").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(store_->Put(Table::kPolicy, "a/b/c", AsBytes("policy")).ok());
  ASSERT_TRUE(store_->Delete(Table::kPolicy, "a/b/c").ok());
  EXPECT_EQ(Read(Table::kResource, "a/b/c"), "resource");
}

TEST_P(StoreConformanceTest, ListsNamesInOrder) {
  EXPECT_THAT(store_->List(Table::kResource).value(), ::testing::IsEmpty());
  for (const char* name : {"b/b/b", "a/b/c", "a/b/c.d"}) {
    ASSERT_TRUE(store_->Put(Table::kResource, name, AsBytes("x")).ok());
  }
  ASSERT_TRUE(store_->Put(Table::kPolicy, "p/p/p", AsBytes("x")).ok());
  EXPECT_THAT(store_->List(Table::kResource).value(),
              ::testing::ElementsAre("a/b/c", "a/b/c.d", "b/b/b"));
}

TEST_P(StoreConformanceTest, SaysThatANameIsAbsent) {
  EXPECT_EQ(store_->Get(Table::kResource, "a/b/c").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(store_->Delete(Table::kResource, "a/b/c").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(store_->Put(Table::kResource, "a/b/c", AsBytes("x")).ok());
  ASSERT_TRUE(store_->Delete(Table::kResource, "a/b/c").ok());
  EXPECT_EQ(store_->Delete(Table::kResource, "a/b/c").error().code(), ErrorCode::kNotFound);
}

}  // namespace locket::key_broker
