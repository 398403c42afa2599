// The broker's configuration file (deploy/broker.toml explains each key) and command line.
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

struct Config {
  std::string host;
  int port;
  std::string store_dir;
  std::string audit_log;
  std::string tls_certificate;
  std::string tls_key;
  std::optional<std::string> admin_public_key{};  // file
  off_t audit_max_bytes = 16 << 20;               // of one file; 0: no rotation of ours
  size_t audit_keep = 4;                          // older files
  std::vector<std::string> snp_roots{};           // files, besides AMD's root for Milan
  std::vector<std::string> snp_crls{};            // files
  bool allow_emulated = false;
  std::optional<std::string> emulated_root{};  // file
  // [limits]
  std::chrono::seconds session_lifetime{300};
  std::chrono::seconds token_lifetime{300};
  std::chrono::seconds request_timeout{10};
  size_t max_connections = 512;
  size_t max_connections_per_peer = 128;
  size_t refusals_per_minute = 60;
  size_t max_sessions = 4096;
  size_t max_body_bytes = 1U << 20;
  size_t threads = 8;
};

// kInvalidArgument: not TOML, an unknown key, a value out of range; the error names the key.
Result<Config> ParseConfig(std::string_view toml);

struct CommandLine {
  std::string config_file{};
  bool check_config = false;
  log::Level log_level = log::Level::kInfo;
  std::optional<std::string> print{};  // --help, --version: print this and end
};

// kInvalidArgument: a usage error.
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace locket::key_broker
