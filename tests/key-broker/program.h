// The program itself, with a configuration on loopback.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/kbs/broker_admin_client.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace locket::key_broker {

std::string TlsText(const std::string& name);  // of attest::TestTlsDirectory()
Secret SecretOf(std::string_view text);

class BrokerProgram {
 public:
  BrokerProgram();

  // Writes the configuration file; `more` is added at its end, in table [emulated].
  std::string Configure(const std::string& listen, const std::string& more = "") const;
  static CommandOutput Run(const std::vector<std::string>& arguments);

  // Returns what it has logged by the time it listens; port() is known then.
  std::string Start(const std::string& more = "");
  // Reads its log until a line has `words`.
  std::string WaitForLog(const std::string& words);
  int Stop();  // its exit status after SIGTERM

  int port() const { return port_; }
  Subprocess& process() { return *process_; }
  // Of /proc/PID/status, in KiB: "VmRSS", "VmHWM".
  size_t Memory(const std::string& field) const;
  std::filesystem::path audit_log() const { return directory_.path() / "audit.jsonl"; }
  std::filesystem::path directory() const { return directory_.path(); }
  attest::BrokerAdminClient Admin() const;

 private:
  TempDir directory_;
  SystemClock clock_{};
  UniqueFd log_{};
  std::string text_{};
  std::optional<Subprocess> process_{};
  int port_ = 0;
};

}  // namespace locket::key_broker
