// A store in memory that keeps its promises, and breaks the call it is told to.
#pragma once

#include <map>
#include <mutex>

#include "snapshotter/store/store.h"

namespace locket::snapshotter {

class FakeStore final : public Store {
 public:
  // The nth call from now fails and does nothing; 0: none does.
  void FailCall(int nth) { fail_in_ = nth; }
  int num_calls() const { return num_calls_; }

  Result<StoreContents> Load() override {
    const std::lock_guard lock(mutex_);
    LOCKET_TRY(Count());
    StoreContents contents{.snapshots = {}, .next_id = next_id_};
    for (const auto& [id, snapshot] : snapshots_) {
      contents.snapshots.push_back(snapshot);
      contents.next_id = std::max(contents.next_id, id + 1);
    }
    return contents;
  }

  Status Apply(const StoreChange& change) override {
    const std::lock_guard lock(mutex_);
    LOCKET_TRY(Count());
    for (const Snapshot& snapshot : change.put) snapshots_.insert_or_assign(snapshot.id, snapshot);
    for (const uint64_t id : change.erase) snapshots_.erase(id);
    if (change.next_id) next_id_ = *change.next_id;
    return Ok();
  }

 private:
  Status Count() {
    ++num_calls_;
    if (fail_in_ > 0 && --fail_in_ == 0) return Error(ErrorCode::kUnavailable, "store: injected");
    return Ok();
  }

  std::mutex mutex_;
  std::map<uint64_t, Snapshot> snapshots_;
  uint64_t next_id_ = 1;
  int fail_in_ = 0;
  int num_calls_ = 0;
};

}  // namespace locket::snapshotter
