#include "key-broker/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "attest/json.h"
#include "base/encoding.h"
#include "base/file.h"

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

class FileAuditLog final : public AuditLog {
 public:
  FileAuditLog(UniqueFd fd, const Clock& clock) : fd_(std::move(fd)), clock_(clock) {}

  Status Record(const AuditEntry& entry) override {
    const std::string line = AuditLine(entry, clock_.Now());
    const MutexLock lock(mutex_);
    LOCKET_TRY(WriteFull(fd_.get(), AsBytes(line)).While("audit log"));
    if (::fdatasync(fd_.get()) != 0) return Error::FromErrno(errno, "audit log: fdatasync");
    return Ok();
  }

 private:
  const UniqueFd fd_;
  const Clock& clock_;
  Mutex mutex_;  // lines never mix
};

}  // namespace

std::string AuditLine(const AuditEntry& entry, std::chrono::system_clock::time_point now) {
  nlohmann::json line{{"time", TimeText(now)},
                      {"action", entry.action},
                      {"decision", entry.allowed ? "allow" : "deny"},
                      {"peer", entry.peer}};
  if (!entry.resource.empty()) line["resource"] = entry.resource;
  if (!entry.reason.empty()) line["reason"] = entry.reason;
  for (const auto& [name, value] : entry.details) line[name] = value;
  return attest::DumpJson(line) + "\n";
}

Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& path,
                                               const Clock& clock) {
  LOCKET_TRY_ASSIGN(auto fd, OpenFile(path, O_WRONLY | O_CREAT | O_APPEND, 0600)
                                 .While("open audit log '" + path.string() + "'"));
  return std::unique_ptr<AuditLog>(std::make_unique<FileAuditLog>(std::move(fd), clock));
}

}  // namespace locket::key_broker
