#include "key-broker/config.h"

#include <charconv>

#include "base/toml_table.h"
#include "base/version.h"

namespace locket::key_broker {
namespace {

constexpr std::string_view kUsage =
    "locket-broker: releases keys and other resources to attested guests, over HTTPS.\n"
    "\n"
    "usage: locket-broker --config FILE [--check-config] [--log-level LEVEL]\n"
    "       locket-broker --help | --version\n"
    "\n"
    "  --config FILE      Configuration file in TOML; /etc/locket/broker.toml explains every key\n"
    "  --check-config     Read all that FILE names, print what is wrong, then exit\n"
    "  --log-level LEVEL  Log messages of this level and above, on standard error: debug, info,\n"
    "                     warning or error (default: info). No message contains a secret\n"
    "  --help             Print this help, then exit\n"
    "  --version          Print the version, then exit\n"
    "\n"
    "SIGHUP opens the audit log again, after it was moved away.\n"
    "Exits 0 after SIGTERM or SIGINT, 1 for a failure, 2 for a wrong command line.\n"
    "\n"
    "Examples:\n"
    "  locket-broker --check-config --config /etc/locket/broker.toml\n"
    "  locket-broker --config /etc/locket/broker.toml --log-level debug\n";

constexpr off_t kLeastAuditBytes = 64 << 10;

Error Bad(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

Status TakeRequired(TomlTable& table, const char* key, std::string* out) {
  LOCKET_TRY(table.Take(key, out));
  if (out->empty()) return table.Wrong(key, "required");
  return Ok();
}

Status TakeOptional(TomlTable& table, const char* key, std::optional<std::string>* out) {
  LOCKET_TRY(table.Take(key, out));
  if (out->has_value() && (*out)->empty()) return table.Wrong(key, "must not be empty");
  return Ok();
}

Status TakeListen(TomlTable& table, Config& config) {
  std::string listen;
  LOCKET_TRY(TakeRequired(table, "listen", &listen));
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0) {
    const auto [end, error] =
        std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);
    if (error != std::errc{} || end != listen.data() + listen.size()) port = -1;
  }
  if (port < 0 || port > 65535) return table.Wrong("listen", "must be address:port");
  config.host = listen.substr(0, colon);
  if (config.host.front() == '[' && config.host.back() == ']') {
    config.host = config.host.substr(1, config.host.size() - 2);
  }
  config.port = port;
  return Ok();
}

Status TakeLimits(TomlTable& top, Config& config) {
  constexpr int64_t kDay = 24 * 3600;
  LOCKET_TRY_ASSIGN(auto limits, top.TakeTable("limits"));
  LOCKET_TRY(limits.Take("session_seconds", 1, kDay, &config.session_lifetime));
  LOCKET_TRY(limits.Take("token_seconds", 1, kDay, &config.token_lifetime));
  std::optional<std::string> replaced;
  if (!limits.Take("idle_seconds", &replaced).ok() || replaced) {
    return limits.Wrong("idle_seconds",
                        "replaced by request_seconds, the time for a whole request; remove it");
  }
  LOCKET_TRY(limits.Take("request_seconds", 1, 600, &config.request_timeout));
  LOCKET_TRY(limits.Take("max_connections", 8, 10000, &config.max_connections));
  LOCKET_TRY(limits.Take("max_connections_per_peer", 1, 10000, &config.max_connections_per_peer));
  LOCKET_TRY(limits.Take("refusals_per_minute", 1, 10000, &config.refusals_per_minute));
  LOCKET_TRY(limits.Take("max_sessions", 1, 1000000, &config.max_sessions));
  LOCKET_TRY(limits.Take("max_body_bytes", 1, 1 << 20, &config.max_body_bytes));
  LOCKET_TRY(limits.Take("threads", 1, 256, &config.threads));
  return limits.Finish();
}

Status TakeTables(TomlTable& top, Config& config) {
  LOCKET_TRY_ASSIGN(auto tls, top.TakeTable("tls"));
  LOCKET_TRY(TakeRequired(tls, "certificate", &config.tls_certificate));
  LOCKET_TRY(TakeRequired(tls, "key", &config.tls_key));
  LOCKET_TRY(tls.Finish());
  LOCKET_TRY_ASSIGN(auto admin, top.TakeTable("admin"));
  LOCKET_TRY(TakeOptional(admin, "public_key", &config.admin_public_key));
  LOCKET_TRY(admin.Finish());
  LOCKET_TRY_ASSIGN(auto audit, top.TakeTable("audit"));
  LOCKET_TRY(audit.Take("max_bytes", 0, int64_t{1} << 40, &config.audit_max_bytes));
  LOCKET_TRY(audit.Take("keep", 0, 1000, &config.audit_keep));
  LOCKET_TRY(audit.Finish());
  if (config.audit_max_bytes != 0 && config.audit_max_bytes < kLeastAuditBytes) {
    return audit.Wrong("max_bytes", "must be 0 or at least 65536");
  }
  LOCKET_TRY_ASSIGN(auto snp, top.TakeTable("snp"));
  LOCKET_TRY(snp.Take("roots", &config.snp_roots));
  LOCKET_TRY(snp.Take("crls", &config.snp_crls));
  LOCKET_TRY(snp.Finish());
  LOCKET_TRY_ASSIGN(auto emulated, top.TakeTable("emulated"));
  LOCKET_TRY(emulated.Take("allow", &config.allow_emulated));
  LOCKET_TRY(TakeOptional(emulated, "root", &config.emulated_root));
  LOCKET_TRY(emulated.Finish());
  if (config.allow_emulated && !config.emulated_root) {
    return emulated.Wrong("root", "required, as emulated.allow is true");
  }
  return TakeLimits(top, config);
}

}  // namespace

Result<Config> ParseConfig(std::string_view text) {
  LOCKET_TRY_ASSIGN(TomlTable top, TomlTable::Parse(text));
  Config config{.host = {},
                .port = 0,
                .store_dir = {},
                .audit_log = {},
                .tls_certificate = {},
                .tls_key = {}};
  LOCKET_TRY(TakeListen(top, config));
  LOCKET_TRY(TakeRequired(top, "store_dir", &config.store_dir));
  LOCKET_TRY(TakeRequired(top, "audit_log", &config.audit_log));
  LOCKET_TRY(TakeTables(top, config));
  LOCKET_TRY(top.Finish());
  return config;
}

Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--help") {
      line.print = std::string(kUsage);
      return line;
    }
    if (name == "--version") {
      line.print = "locket-broker " + std::string(kVersion) + "\n";
      return line;
    }
    if (name == "--check-config") {
      line.check_config = true;
      continue;
    }
    if (name != "--config" && name != "--log-level") {
      return Bad("unknown option '" + name + "'; see --help");
    }
    if (i + 1 == arguments.size()) return Bad("'" + name + "' needs a value; see --help");
    const std::string& value = arguments[++i];
    if (name == "--config") {
      line.config_file = value;
    } else {
      LOCKET_TRY_ASSIGN(line.log_level, log::ParseLevel(value).While("--log-level"));
    }
  }
  if (line.config_file.empty()) return Bad("--config FILE is missing; see --help");
  return line;
}

}  // namespace locket::key_broker
