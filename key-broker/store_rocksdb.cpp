#include "key-broker/store_rocksdb.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/encoding.h"
#include "base/mutex.h"

namespace locket::key_broker {
namespace {

Error FromRocksDb(const rocksdb::Status& status, std::string_view doing) {
  ErrorCode code = ErrorCode::kInternal;
  if (status.IsNotFound()) code = ErrorCode::kNotFound;
  if (status.IsCorruption()) code = ErrorCode::kDataLoss;
  if (status.IsNoSpace()) code = ErrorCode::kResourceExhausted;
  return {code, std::string(doing) + ": " + status.ToString()};
}

// Each table is a prefix, so that a list is one range.
std::string KeyOf(Table table, std::string_view name) {
  return (table == Table::kResource ? "r/" : "p/") + std::string(name);
}

std::string Quoted(Table table, std::string_view name) {
  return (table == Table::kResource ? "resource '" : "release policy for '") + std::string(name) +
         "'";
}

rocksdb::Slice SliceOf(std::string_view text) { return {text.data(), text.size()}; }

class RocksDbStore final : public Store {
 public:
  explicit RocksDbStore(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}

  Status Put(Table table, std::string_view name, std::span<const std::byte> value) override {
    const auto put = db_->Put(Durable(), SliceOf(KeyOf(table, name)), SliceOf(AsText(value)));
    if (!put.ok()) return FromRocksDb(put, "store " + Quoted(table, name));
    return Ok();
  }

  Result<Secret> Get(Table table, std::string_view name) const override {
    rocksdb::PinnableSlice value;
    const auto got = db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(),
                              SliceOf(KeyOf(table, name)), &value);
    if (got.IsNotFound()) return Absent(table, name);
    if (!got.ok()) return FromRocksDb(got, "read " + Quoted(table, name));
    Secret out(value.size());
    const auto bytes = AsBytes({value.data(), value.size()});
    std::copy(bytes.begin(), bytes.end(), out.Reveal().begin());
    return out;
  }

  Status Delete(Table table, std::string_view name) override {
    const MutexLock lock(delete_mutex_);  // two deletions of one name: one is told kNotFound
    LOCKET_TRY(Get(table, name));
    const auto deleted = db_->Delete(Durable(), SliceOf(KeyOf(table, name)));
    if (!deleted.ok()) return FromRocksDb(deleted, "delete " + Quoted(table, name));
    return Ok();
  }

  Result<std::vector<std::string>> List(Table table) const override {
    const std::string prefix = KeyOf(table, "");
    std::vector<std::string> names;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
      names.push_back(at->key().ToString().substr(prefix.size()));
    }
    if (!at->status().ok()) return FromRocksDb(at->status(), "list");
    return names;
  }

 private:
  static Error Absent(Table table, std::string_view name) {
    return {ErrorCode::kNotFound, "no " + Quoted(table, name)};
  }
  static rocksdb::WriteOptions Durable() {
    rocksdb::WriteOptions options;
    options.sync = true;
    return options;
  }

  std::unique_ptr<rocksdb::DB> db_;
  Mutex delete_mutex_;
};

}  // namespace

Result<std::unique_ptr<Store>> OpenRocksDbStore(const std::filesystem::path& directory) {
  const std::string doing = "open store '" + directory.string() + "'";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error::FromErrno(errno, doing);
  }
  struct stat found {};
  if (::stat(directory.c_str(), &found) != 0) return Error::FromErrno(errno, doing);
  if ((found.st_mode & 0077U) != 0) {
    return Error(ErrorCode::kPermissionDenied,
                 doing + ": others may enter it; run 'chmod 700 " + directory.string() + "'");
  }
  rocksdb::Options options;
  options.create_if_missing = true;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_open_files = 128;  // without it all are kept open; process_limits.h counts on it
  options.max_total_wal_size = 4U << 20;
  options.write_buffer_size = 4U << 20;  // RocksDB would keep 64 MiB of what was written
  rocksdb::DB* db = nullptr;
  const auto opened = rocksdb::DB::Open(options, directory.string(), &db);
  if (opened.IsIOError() && opened.ToString().find("lock") != std::string::npos) {
    return Error(ErrorCode::kFailedPrecondition, doing + ": another process has it open");
  }
  if (!opened.ok()) return FromRocksDb(opened, doing);
  return std::unique_ptr<Store>(std::make_unique<RocksDbStore>(std::unique_ptr<rocksdb::DB>(db)));
}

}  // namespace locket::key_broker
