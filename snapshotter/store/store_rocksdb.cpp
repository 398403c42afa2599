#include "snapshotter/store/store_rocksdb.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "base/endian.h"
#include "snapshotter/store/record_codec.h"

namespace locket::snapshotter {
namespace {

constexpr char kSnapshotPrefix = 's';
constexpr std::string_view kNextIdKey = "next-id";
constexpr std::string_view kVersionKey = "version";
constexpr std::string_view kVersion = "2";
constexpr size_t kIdBytes = 8;
// RocksDB never gets to see a full disk: Debian's is built with its assertions, and one of them
// ends the process at the first sync after a write that failed. Room for all of its buffers and
// logs; removing snapshots, which makes room, may go on for longer.
constexpr uint64_t kSpaceForRecords = 16U << 20;
constexpr uint64_t kSpaceForErasures = 8U << 20;

Error FromRocksDb(const rocksdb::Status& status, std::string_view doing) {
  const ErrorCode code = status.IsCorruption() ? ErrorCode::kDataLoss
                         : status.IsNoSpace()  ? ErrorCode::kResourceExhausted
                         : status.IsIOError()  ? ErrorCode::kUnavailable
                                               : ErrorCode::kInternal;
  return Error(code, status.ToString()).While(doing);
}

// Big-endian, so that RocksDB's order is the order of ids.
std::string EncodeNumber(uint64_t value) { return std::string(AsText(ToBigEndian(value))); }

Result<uint64_t> DecodeNumber(std::string_view bytes) {
  if (bytes.size() != kIdBytes) return Error(ErrorCode::kDataLoss, "a number is not 8 bytes long");
  return FromBigEndian<uint64_t>(AsBytes(bytes));
}

std::string SnapshotKey(uint64_t id) { return kSnapshotPrefix + EncodeNumber(id); }

class RocksDbStore final : public Store {
 public:
  RocksDbStore(std::unique_ptr<rocksdb::DB> db, std::filesystem::path directory)
      : db_(std::move(db)), directory_(std::move(directory)) {}

  Result<StoreContents> Load() override {
    StoreContents contents{.snapshots = {}};
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
    for (it->Seek(std::string(1, kSnapshotPrefix));
         it->Valid() && it->key().starts_with(std::string(1, kSnapshotPrefix)); it->Next()) {
      LOCKET_TRY_ASSIGN(Snapshot snapshot, DecodeSnapshot(it->value().ToStringView()));
      if (it->key().ToStringView() != SnapshotKey(snapshot.id)) {
        return Error(ErrorCode::kDataLoss, "snapshot '" + snapshot.name + "' is under a wrong key");
      }
      contents.next_id = std::max(contents.next_id, snapshot.id + 1);
      contents.snapshots.push_back(std::move(snapshot));
    }
    if (!it->status().ok()) return FromRocksDb(it->status(), "read the snapshots");
    std::string next_id;
    const auto got = db_->Get(rocksdb::ReadOptions(), rocksdb::Slice(kNextIdKey), &next_id);
    if (got.IsNotFound()) return contents;
    if (!got.ok()) return FromRocksDb(got, "read the next id");
    LOCKET_TRY_ASSIGN(const uint64_t next, DecodeNumber(next_id));
    contents.next_id = std::max(contents.next_id, next);
    return contents;
  }

  Status Apply(const StoreChange& change) override {
    LOCKET_TRY(CheckSpace(change.put.empty() ? kSpaceForErasures : kSpaceForRecords));
    rocksdb::WriteBatch batch;
    for (const Snapshot& snapshot : change.put) {
      batch.Put(SnapshotKey(snapshot.id), EncodeSnapshot(snapshot));
    }
    for (const uint64_t id : change.erase) batch.Delete(SnapshotKey(id));
    if (change.next_id) batch.Put(rocksdb::Slice(kNextIdKey), EncodeNumber(*change.next_id));
    rocksdb::WriteOptions options;
    options.sync = true;
    const auto written = db_->Write(options, &batch);
    if (!written.ok()) return FromRocksDb(written, "write to the snapshot store");
    return Ok();
  }

 private:
  Status CheckSpace(uint64_t needed_bytes) const {
    std::error_code failed;
    const auto space = std::filesystem::space(directory_, failed);
    if (failed || space.available >= needed_bytes) return Ok();
    return Error(ErrorCode::kResourceExhausted,
                 "the disk of '" + directory_.string() + "' has " +
                     std::to_string(space.available) + " bytes left and needs " +
                     std::to_string(needed_bytes) +
                     ": remove images, or give the directory more space");
  }

  std::unique_ptr<rocksdb::DB> db_;
  const std::filesystem::path directory_;
};

Status CheckVersion(rocksdb::DB& db) {
  std::string version;
  const auto got = db.Get(rocksdb::ReadOptions(), rocksdb::Slice(kVersionKey), &version);
  if (got.IsNotFound()) {
    rocksdb::WriteOptions options;
    options.sync = true;
    const auto put = db.Put(options, rocksdb::Slice(kVersionKey), rocksdb::Slice(kVersion));
    if (!put.ok()) return FromRocksDb(put, "write the store's version");
    return Ok();
  }
  if (!got.ok()) return FromRocksDb(got, "read the store's version");
  if (version != kVersion) {
    return Error(ErrorCode::kDataLoss, "store version '" + version +
                                           "' is unknown to this program: use the newer one, or "
                                           "an empty root directory");
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<Store>> OpenRocksDbStore(const std::filesystem::path& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  // A few thousand small records: RocksDB's defaults are sized for gigabytes.
  options.write_buffer_size = 4U << 20;
  options.keep_log_file_num = 2;
  options.max_open_files = 64;
  // Writers wait for a sync anyway: spinning meanwhile costs the processor time of those who work.
  options.enable_write_thread_adaptive_yield = false;
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(options, directory.string(), &opened);
  if (!status.ok()) return FromRocksDb(status, "open store '" + directory.string() + "'");
  std::unique_ptr<rocksdb::DB> db(opened);
  LOCKET_TRY(CheckVersion(*db).While("open store '" + directory.string() + "'"));
  return std::unique_ptr<Store>(std::make_unique<RocksDbStore>(std::move(db), directory));
}

}  // namespace locket::snapshotter
