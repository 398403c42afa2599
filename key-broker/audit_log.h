// What the broker decided, for later: one JSON object a line, and no secret in it. What it refused
// is in a file of its own, so that strangers never push a release out of the log.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
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
  // Writes one entry. Thread-safe. An entry that was allowed is durable once this returns, and a
  // broker that gets an error releases nothing. An entry that was refused is written and not waited
  // for.
  virtual Status Record(const AuditEntry& entry) = 0;
  // Opens the files by their names again, after somebody moved them away. On failure the former
  // files take the entries.
  virtual Status Reopen() = 0;
};

// Returns the name of the file of refusals: `path` and ".refused".
std::string RefusalLogPath(const std::filesystem::path& path);

// Opens `path` and RefusalLogPath(path) for appending; they are made with mode 0600. `clock`
// outlives the object. Fails, with the file's name, if one cannot be opened.
Result<std::unique_ptr<AuditLog>> OpenAuditLog(const std::filesystem::path& path,
                                               const Clock& clock,
                                               const AuditFileOptions& options = {});

// The longest line there is, however long what strangers say.
inline constexpr size_t kMaxAuditLineBytes = 4096;

// Returns the line for an entry, with its line feed: at most kMaxAuditLineBytes. Texts are cut, and
// written in printable characters, so no stranger's words make a second line.
std::string AuditLine(const AuditEntry& entry, std::chrono::system_clock::time_point now);

}  // namespace locket::key_broker
