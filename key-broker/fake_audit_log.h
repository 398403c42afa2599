#pragma once

#include <vector>

#include "base/mutex.h"
#include "key-broker/audit_log.h"

namespace locket::key_broker {

// Keeps the entries in memory for a test to look at, and fails each Record after Break().
class FakeAuditLog final : public AuditLog {
 public:
  Status Record(const AuditEntry& entry) override {
    const MutexLock lock(mutex_);
    if (broken_) return Error(ErrorCode::kResourceExhausted, "the audit log is full");
    entries_.push_back(entry);
    return Ok();
  }
  Status Reopen() override { return Ok(); }
  void Break() {
    const MutexLock lock(mutex_);
    broken_ = true;
  }
  std::vector<AuditEntry> entries() const {
    const MutexLock lock(mutex_);
    return entries_;
  }

 private:
  mutable Mutex mutex_;
  bool broken_ LOCKET_GUARDED_BY(mutex_) = false;
  std::vector<AuditEntry> entries_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace locket::key_broker
