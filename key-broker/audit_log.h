// What the broker decided, for later: one JSON object a line, and no secret in it. What it refused
// is in a file of its own, so that strangers never push a release out of the log.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "key-broker/audit_file.h"

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
  // Thread-safe. What was allowed is durable once it returns, and a broker that cannot write it
  // down releases nothing. What was refused is written and not waited for.
  virtual Status Record(const AuditEntry& entry) = 0;
  // After somebody moved the files away.
  virtual Status Reopen() = 0;
};

// How the file of refusals is called.
std::string RefusalLogPath(const std::filesystem::path& path);

// Appends to `path` and RefusalLogPath(path), made with mode 0600. `clock` outlives the object.
Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& path,
                                               const Clock& clock,
                                               const AuditFileOptions& options = {});

// The longest line there is, however long what strangers say.
inline constexpr size_t kMaxAuditLineBytes = 4096;

// The line for an entry, with its line feed. Texts are cut, and written in printable characters.
std::string AuditLine(const AuditEntry& entry, std::chrono::system_clock::time_point now);

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
