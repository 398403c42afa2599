#include "key-broker/audit_log.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

#include "attest/common/json.h"
#include "base/mutex.h"

namespace locket::key_broker {
namespace {

std::string TimeText(std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

// Nobody's words make a line long, or hide in it.
std::string Cut(std::string_view text) {
  constexpr size_t kMaxTextBytes = 512;
  std::string out(text.substr(0, kMaxTextBytes));
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > kMaxTextBytes) out += "...";
  return out;
}

class FileAuditLog final : public AuditLog {
 public:
  FileAuditLog(AuditFile decisions, std::optional<AuditFile> refusals, const Clock& clock)
      : clock_(clock), decisions_(std::move(decisions)), refusals_(std::move(refusals)) {}

  Status Record(const AuditEntry& entry) override {
    const std::string line = AuditLine(entry, clock_.Now());
    const MutexLock lock(mutex_);
    const bool refusal = !entry.allowed && refusals_.has_value();
    return (refusal ? *refusals_ : decisions_).Append(line, /*durable=*/entry.allowed);
  }

  Status Reopen() override {
    const MutexLock lock(mutex_);
    LOCKET_TRY(decisions_.Reopen());
    if (refusals_) LOCKET_TRY(refusals_->Reopen());
    return Ok();
  }

 private:
  const Clock& clock_;
  Mutex mutex_;  // lines never mix
  AuditFile decisions_ LOCKET_GUARDED_BY(mutex_);
  // None where the log is not a regular file: then everything goes there.
  std::optional<AuditFile> refusals_ LOCKET_GUARDED_BY(mutex_);
};

}  // namespace

std::string AuditLine(const AuditEntry& entry, std::chrono::system_clock::time_point now) {
  nlohmann::json line{{"time", TimeText(now)},
                      {"action", entry.action},
                      {"decision", entry.allowed ? "allow" : "deny"},
                      {"peer", Cut(entry.peer)}};
  if (!entry.resource.empty()) line["resource"] = Cut(entry.resource);
  if (!entry.reason.empty()) line["reason"] = Cut(entry.reason);
  for (const auto& [name, value] : entry.details) line[name] = Cut(value);
  return DumpJson(line) + "\n";
}

std::string RefusalLogPath(const std::filesystem::path& path) { return path.string() + ".refused"; }

Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& path,
                                               const Clock& clock,
                                               const AuditFileOptions& options) {
  AuditFileOptions with_reserve = options;
  with_reserve.reserve = true;
  LOCKET_TRY_ASSIGN(auto decisions, AuditFile::Open(path, with_reserve));
  std::optional<AuditFile> refusals;
  if (decisions.regular()) {
    LOCKET_TRY_ASSIGN(refusals, AuditFile::Open(RefusalLogPath(path), options));
  }
  return std::unique_ptr<AuditLog>(
      std::make_unique<FileAuditLog>(std::move(decisions), std::move(refusals), clock));
}

}  // namespace locket::key_broker
