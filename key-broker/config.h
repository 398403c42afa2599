// The broker's configuration file (deploy/broker.toml explains each key) and command line.
#pragma once

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
  std::vector<std::string> snp_roots{};           // files, besides AMD's root for Milan
  bool allow_emulated = false;
  std::optional<std::string> emulated_root{};  // file
  // [limits]
  std::chrono::seconds session_lifetime{300};
  std::chrono::seconds token_lifetime{300};
  std::chrono::seconds idle_timeout{10};
  size_t max_sessions = 4096;
  size_t max_body_bytes = 1U << 20;
  size_t threads = 16;
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
