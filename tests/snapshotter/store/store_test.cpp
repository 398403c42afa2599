#include <rocksdb/db.h>

#include "base/file.h"
#include "snapshotter/store/store_rocksdb.h"
#include "tests/snapshotter/store/fake_store.h"
#include "tests/snapshotter/store/store_conformance.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The fake behind a handle, so that "reopening" meets the same contents.
class Handle final : public Store {
 public:
  explicit Handle(std::shared_ptr<FakeStore> fake) : fake_(std::move(fake)) {}
  Result<StoreContents> Load() override { return fake_->Load(); }
  Status Apply(const StoreChange& change) override { return fake_->Apply(change); }

 private:
  std::shared_ptr<FakeStore> fake_;
};

std::function<std::unique_ptr<Store>()> MakeFake() {
  return [fake = std::make_shared<FakeStore>()] { return std::make_unique<Handle>(fake); };
}

std::shared_ptr<TempDir> Temp() {
  return std::make_shared<TempDir>(
      std::move(TempDir::Create(fs::temp_directory_path(), "store-test-")).value());
}

std::function<std::unique_ptr<Store>()> MakeRocksDb() {
  return [temp = Temp()]() -> std::unique_ptr<Store> {
    auto opened = OpenRocksDbStore(temp->path() / "meta");
    if (!opened.ok()) {
      ADD_FAILURE() << opened.error().message();
      return nullptr;
    }
    return std::move(opened).value();
  };
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformanceTest,
                         ::testing::Values(StoreFactory{"Fake", MakeFake},
                                           StoreFactory{"RocksDb", MakeRocksDb}),
                         [](const auto& param) { return param.param.name; });

TEST(FakeStoreTest, FailsTheCallItIsToldToAndDoesNothingInIt) {
  FakeStore store;
  store.FailCall(2);
  EXPECT_TRUE(store.Apply({.put = {SomeSnapshot(1, "a")}}).ok());
  EXPECT_FALSE(store.Apply({.put = {SomeSnapshot(2, "b")}}).ok());
  EXPECT_EQ(store.Load()->snapshots.size(), 1U);
}

TEST(RocksDbStoreTest, RefusesASecondOpen) {
  const auto temp = Temp();
  const auto first = OpenRocksDbStore(temp->path() / "meta");
  ASSERT_TRUE(first.ok());
  const auto second = OpenRocksDbStore(temp->path() / "meta");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable) << second.error().message();
}

// Writes behind the store's back.
void PutRaw(const fs::path& directory, const std::string& key, const std::string& value) {
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory.string(), &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), key, value).ok());
}

TEST(RocksDbStoreTest, RefusesAVersionItDoesNotKnow) {
  const auto temp = Temp();
  ASSERT_TRUE(OpenRocksDbStore(temp->path() / "meta").ok());
  PutRaw(temp->path() / "meta", "version", "99");
  const auto opened = OpenRocksDbStore(temp->path() / "meta");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(opened.error().message(), HasSubstr("version '99' is unknown"));
}

TEST(RocksDbStoreTest, SaysDataLossForADamagedRecord) {
  const auto temp = Temp();
  ASSERT_TRUE(OpenRocksDbStore(temp->path() / "meta").ok());
  PutRaw(temp->path() / "meta", "s-----id", "garbage");
  const auto store = OpenRocksDbStore(temp->path() / "meta");
  ASSERT_TRUE(store.ok());
  const auto contents = (*store)->Load();
  ASSERT_FALSE(contents.ok());
  EXPECT_EQ(contents.error().code(), ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace locket::snapshotter
