// What the broker decided, for later: one JSON object a line, and no secret in it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::key_broker {

struct AuditEntry {
  std::string action;  // "attest", "get-resource", "set-resource", ...
  bool allowed;
  std::string resource;                                        // empty: about none
  std::string reason;                                          // why not; empty if allowed
  std::string peer;                                            // address
  std::vector<std::pair<std::string, std::string>> details{};  // "measurement", "host_data", ...
};

class AuditLog {
 public:
  virtual ~AuditLog() = default;
  // Thread-safe. Durable once it returns. A broker that cannot write this down releases nothing.
  virtual Status Record(const AuditEntry& entry) = 0;
};

// Appends to `path`, made with mode 0600. `clock` outlives the object.
Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& path,
                                               const Clock& clock);

// The line for an entry, with its line feed.
std::string AuditLine(const AuditEntry& entry, std::chrono::system_clock::time_point now);

class FakeAuditLog final : public AuditLog {
 public:
  Status Record(const AuditEntry& entry) override {
    const MutexLock lock(mutex_);
    if (broken_) return Error(ErrorCode::kResourceExhausted, "the audit log is full");
    entries_.push_back(entry);
    return Ok();
  }
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
