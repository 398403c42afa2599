#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "key-broker/fake_store.h"
#include "key-broker/store_rocksdb.h"
#include "tests/key-broker/store_conformance.h"

namespace locket::key_broker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A RocksDB store in a directory of its own, which goes when the store does.
class TemporaryRocksDb final : public Store {
 public:
  TemporaryRocksDb()
      : directory_(TempDir::Create("/tmp", "store").value()),
        store_(OpenRocksDbStore(directory_.path() / "db").value()) {}
  Status Put(Table table, std::string_view name, std::span<const std::byte> value) override {
    return store_->Put(table, name, value);
  }
  Result<Secret> Get(Table table, std::string_view name) const override {
    return store_->Get(table, name);
  }
  Status Delete(Table table, std::string_view name) override { return store_->Delete(table, name); }
  Result<std::vector<std::string>> List(Table table) const override { return store_->List(table); }

 private:
  TempDir directory_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreConformanceTest,
    ::testing::Values(StoreMaker{"Fake", [] { return std::make_unique<FakeStore>(); }},
                      StoreMaker{"RocksDb", [] { return std::make_unique<TemporaryRocksDb>(); }}),
    [](const auto& test) { return test.param.name; });

class RocksDbStoreTest : public ::testing::Test {
 protected:
  TempDir parent_ = TempDir::Create("/tmp", "store").value();
  fs::path directory_ = parent_.path() / "db";
};

TEST_F(RocksDbStoreTest, RemembersAcrossProcesses) {
  {
    const auto store = OpenRocksDbStore(directory_);
    ASSERT_TRUE(store.ok()) << store.error().message();
    ASSERT_TRUE((*store)->Put(Table::kResource, "a/b/c", AsBytes("kept")).ok());
  }
  const auto store = OpenRocksDbStore(directory_);
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(AsText((*store)->Get(Table::kResource, "a/b/c")->Reveal()), "kept");
}

TEST_F(RocksDbStoreTest, IsOpenOnceAtATime) {
  const auto first = OpenRocksDbStore(directory_);
  ASSERT_TRUE(first.ok());
  const auto second = OpenRocksDbStore(directory_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message(), HasSubstr("another process has it open"));
}

TEST_F(RocksDbStoreTest, IsNotOpenToOthers) {
  ASSERT_TRUE(OpenRocksDbStore(directory_).ok());
  struct stat found {};
  ASSERT_EQ(::stat(directory_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0700U);
  fs::permissions(directory_, fs::perms(0750));
  const auto refused = OpenRocksDbStore(directory_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("chmod 700"));
}

}  // namespace
}  // namespace locket::key_broker
