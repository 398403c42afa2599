#include "key-broker/config.h"

#include <charconv>
#include <set>
#include <sstream>
#include <toml.hpp>

#include "base/utf8.h"
#include "base/version.h"

namespace locket::key_broker {
namespace {

constexpr std::string_view kUsage =
    "usage: locket-broker --config FILE [--check-config] [--log-level LEVEL]\n"
    "       locket-broker --help | --version\n"
    "\n"
    "Releases resources (keys) to attested guests, over HTTPS. LEVEL is debug, info, warning or\n"
    "error. --check-config reads everything FILE names, says what is wrong, and ends.\n"
    "\n"
    "Examples:\n"
    "  locket-broker --check-config --config /etc/locket/broker.toml\n"
    "  locket-broker --config /etc/locket/broker.toml --log-level debug\n"
    "\n"
    "Exit status: 0 after SIGTERM or SIGINT, 1 for a failure, 2 for a wrong command line.\n";

Error Bad(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// One table of the file. Remembers what was asked for, so that the rest can be refused.
class Section {
 public:
  Section(const toml::table& table, std::string name) : table_(table), name_(std::move(name)) {}

  const toml::value* Find(const std::string& key) {
    known_.insert(key);
    const auto found = table_.find(key);
    return found == table_.end() ? nullptr : &found->second;
  }
  Result<std::optional<std::string>> OptionalText(const std::string& key) {
    const toml::value* value = Find(key);
    if (value == nullptr) return std::optional<std::string>();
    if (!value->is_string() || value->as_string().str.empty()) {
      return Bad("'" + Name(key) + "' must be text");
    }
    return std::optional<std::string>(value->as_string().str);
  }
  Result<std::string> Text(const std::string& key) {
    LOCKET_TRY_ASSIGN(auto text, OptionalText(key));
    if (!text) return Bad("'" + Name(key) + "' is missing");
    return *std::move(text);
  }
  Result<bool> Bool(const std::string& key, bool otherwise) {
    const toml::value* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) return Bad("'" + Name(key) + "' must be true or false");
    return value->as_boolean();
  }
  Result<size_t> Number(const std::string& key, size_t otherwise, int64_t max) {
    const toml::value* value = Find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_integer() || value->as_integer() < 1 || value->as_integer() > max) {
      return Bad("'" + Name(key) + "' must be 1 to " + std::to_string(max));
    }
    return static_cast<size_t>(value->as_integer());
  }
  Result<std::vector<std::string>> Texts(const std::string& key) {
    const toml::value* value = Find(key);
    std::vector<std::string> out;
    if (value == nullptr) return out;
    if (!value->is_array()) return Bad("'" + Name(key) + "' must be a list of texts");
    for (const auto& item : value->as_array()) {
      if (!item.is_string()) return Bad("'" + Name(key) + "' must be a list of texts");
      out.push_back(item.as_string().str);
    }
    return out;
  }
  Result<Section> Table(const std::string& key) {
    static const toml::table kEmpty;
    const toml::value* value = Find(key);
    if (value == nullptr) return Section(kEmpty, key);
    if (!value->is_table()) return Bad("'" + key + "' must be a table");
    return Section(value->as_table(), key);
  }
  Status NoMore() const {
    for (const auto& [key, value] : table_) {
      if (!known_.contains(key)) return Bad("unknown key '" + Name(key) + "'");
    }
    return Ok();
  }

 private:
  std::string Name(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }

  const toml::table& table_;
  std::string name_;
  std::set<std::string> known_;
};

Status ReadListen(Section& top, Config& config) {
  LOCKET_TRY_ASSIGN(const auto listen, top.Text("listen"));
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0) {
    const auto [end, error] =
        std::from_chars(listen.data() + colon + 1, listen.data() + listen.size(), port);
    if (error != std::errc{} || end != listen.data() + listen.size()) port = -1;
  }
  if (port < 0 || port > 65535) return Bad("'listen' must be address:port");
  config.host = listen.substr(0, colon);
  if (config.host.front() == '[' && config.host.back() == ']') {
    config.host = config.host.substr(1, config.host.size() - 2);
  }
  config.port = port;
  return Ok();
}

Status ReadLimits(Section& limits, Config& config) {
  constexpr int64_t kDay = 24 * 3600;
  LOCKET_TRY_ASSIGN(const auto session, limits.Number("session_seconds", 300, kDay));
  LOCKET_TRY_ASSIGN(const auto token, limits.Number("token_seconds", 300, kDay));
  LOCKET_TRY_ASSIGN(const auto idle, limits.Number("idle_seconds", 10, 600));
  LOCKET_TRY_ASSIGN(config.max_sessions, limits.Number("max_sessions", 4096, 1000000));
  LOCKET_TRY_ASSIGN(config.max_body_bytes, limits.Number("max_body_bytes", 1U << 20, 1U << 20));
  LOCKET_TRY_ASSIGN(config.threads, limits.Number("threads", 16, 1024));
  config.session_lifetime = std::chrono::seconds(session);
  config.token_lifetime = std::chrono::seconds(token);
  config.idle_timeout = std::chrono::seconds(idle);
  return limits.NoMore();
}

Status ReadTables(Section& top, Config& config) {
  LOCKET_TRY_ASSIGN(auto tls, top.Table("tls"));
  LOCKET_TRY_ASSIGN(config.tls_certificate, tls.Text("certificate"));
  LOCKET_TRY_ASSIGN(config.tls_key, tls.Text("key"));
  LOCKET_TRY(tls.NoMore());
  LOCKET_TRY_ASSIGN(auto admin, top.Table("admin"));
  LOCKET_TRY_ASSIGN(config.admin_public_key, admin.OptionalText("public_key"));
  LOCKET_TRY(admin.NoMore());
  LOCKET_TRY_ASSIGN(auto snp, top.Table("snp"));
  LOCKET_TRY_ASSIGN(config.snp_roots, snp.Texts("roots"));
  LOCKET_TRY(snp.NoMore());
  LOCKET_TRY_ASSIGN(auto emulated, top.Table("emulated"));
  LOCKET_TRY_ASSIGN(config.allow_emulated, emulated.Bool("allow", false));
  LOCKET_TRY_ASSIGN(config.emulated_root, emulated.OptionalText("root"));
  LOCKET_TRY(emulated.NoMore());
  if (config.allow_emulated && !config.emulated_root) {
    return Bad("'emulated.allow' is true, but 'emulated.root' names no root");
  }
  LOCKET_TRY_ASSIGN(auto limits, top.Table("limits"));
  return ReadLimits(limits, config);
}

Result<toml::value> ParseToml(std::string_view text) {
  LOCKET_TRY(CheckUtf8(text).While("not TOML"));
  try {
    std::istringstream in{std::string(text)};
    return toml::parse(in, "configuration");
  } catch (const std::exception& e) {
    const std::string_view what(e.what());
    return Bad("not TOML: " + std::string(what.substr(0, what.find('\n'))));
  }
}

}  // namespace

Result<Config> ParseConfig(std::string_view text) {
  LOCKET_TRY_ASSIGN(const auto document, ParseToml(text));
  Section top(document.as_table(), "");
  Config config{.host = {},
                .port = 0,
                .store_dir = {},
                .audit_log = {},
                .tls_certificate = {},
                .tls_key = {}};
  LOCKET_TRY(ReadListen(top, config));
  LOCKET_TRY_ASSIGN(config.store_dir, top.Text("store_dir"));
  LOCKET_TRY_ASSIGN(config.audit_log, top.Text("audit_log"));
  LOCKET_TRY(ReadTables(top, config));
  LOCKET_TRY(top.NoMore());
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
