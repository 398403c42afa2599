// The broker's configuration file and command line. deploy/broker.toml explains each key to an
// administrator; the comments here say where a value ends up.
//
// The file is read once, at the start. ParseConfig checks what can be checked without touching
// anything; CheckConfig (run.h) also reads the files that are named; CheckFits (process_limits.h)
// compares connections and threads with the process's limits.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace locket::key_broker {

// Fields without a default are required in the file. Paths are as they were written, and nothing is
// opened yet.
struct Config {
  // "listen", split at its last colon. An IPv6 address has lost its brackets. Port 0: any free one.
  std::string host;
  int port;
  std::string store_dir;        // OpenRocksDbStore makes it
  std::string audit_log;        // OpenAuditLog appends to it and to RefusalLogPath of it
  std::string tls_certificate;  // PEM file, with its chain
  std::string tls_key;          // PEM file
  // PEM file for BrokerOptions::admin_public_pem. None: no administration.
  std::optional<std::string> admin_public_key{};

  // [audit] -> AuditFileOptions. 0 bytes: files grow, and somebody else rotates them.
  off_t audit_max_bytes = 16 << 20;
  size_t audit_keep = 4;

  // [snp] -> SnpVerifier. PEM files of roots beyond AMD's for Milan, and revocation lists in PEM or
  // DER. Without lists, revocation is not looked at.
  std::vector<std::string> snp_roots{};
  std::vector<std::string> snp_crls{};

  // [emulated] -> EmulatedVerifier. With a root (PEM file) but without `allow`, emulated guests are
  // refused by that name. `allow` without a root is refused when the file is read.
  bool allow_emulated = false;
  std::optional<std::string> emulated_root{};

  // [limits]. Each has a range that ParseConfig checks.
  std::chrono::seconds session_lifetime{300};  // SessionLimits::lifetime
  std::chrono::seconds token_lifetime{300};    // BrokerOptions::token_lifetime
  std::chrono::seconds request_timeout{10};    // ConnectionLimits::request_timeout
  size_t max_connections = 512;                // ConnectionLimits, and CheckFits
  size_t max_connections_per_peer = 128;       // ConnectionLimits::max_per_peer
  size_t refusals_per_minute = 60;             // BrokerOptions::refusals_per_minute
  size_t max_sessions = 4096;                  // SessionLimits::max_sessions
  size_t max_body_bytes = 1U << 20;            // ServerOptions::max_body_bytes
  size_t threads = 8;                          // ServerOptions::threads, and CheckFits
};

// Reads the text of a configuration file. kInvalidArgument: not TOML, an unknown key, a required
// key that is missing, or a value out of its range; the message names the key and says what it must
// be.
Result<Config> ParseConfig(std::string_view toml);

struct CommandLine {
  std::string config_file{};  // set unless `print` is
  bool check_config = false;
  log::Level log_level = log::Level::kInfo;
  std::optional<std::string> print{};  // --help, --version: print this and end
};

// Reads the command line, without the program's name. kInvalidArgument: a usage error; the message
// says which option.
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace locket::key_broker
