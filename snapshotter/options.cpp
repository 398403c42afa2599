#include "snapshotter/options.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <set>
#include <sstream>
#include <toml.hpp>

#include "base/file.h"
#include "base/utf8.h"
#include "base/version.h"
#include "snapshotter/metrics_address.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxConfigFileBytes = 1U << 20;
constexpr int64_t kMaxAttempts = 100;
constexpr int64_t kMaxDownloads = 1024;
constexpr int64_t kMaxBytes = 1LL << 60;
constexpr int64_t kMaxSeconds = 366 * 24 * 3600;

Error Wrong(const std::string& key, const std::string& why) {
  return {ErrorCode::kInvalidArgument, "key '" + key + "': " + why};
}

Status TakePath(const std::string& key, const toml::value& value, std::filesystem::path& out) {
  if (!value.is_string()) return Wrong(key, "must be a string");
  const std::string text = value.as_string().str;
  if (!text.empty() && text.front() != '/') return Wrong(key, "must be an absolute path");
  out = text;
  return Ok();
}

Status TakeSeconds(const std::string& key, const toml::value& value, int64_t least,
                   std::chrono::seconds& out) {
  if (!value.is_integer() || value.as_integer() < least || value.as_integer() > kMaxSeconds) {
    return Wrong(key, "must be a number of seconds, " + std::to_string(least) + " to " +
                          std::to_string(kMaxSeconds));
  }
  out = std::chrono::seconds(value.as_integer());
  return Ok();
}

template <typename Number>
Status TakeNumber(const std::string& key, const toml::value& value, int64_t least, int64_t most,
                  Number& out) {
  if (!value.is_integer() || value.as_integer() < least || value.as_integer() > most) {
    return Wrong(key, "must be a number, " + std::to_string(least) + " to " + std::to_string(most));
  }
  out = static_cast<Number>(value.as_integer());
  return Ok();
}

Status TakeLog(const std::string& key, const toml::value& value, Options& options) {
  if (!value.is_string()) return Wrong(key, "must be a string");
  const std::string text = value.as_string().str;
  if (key == "log_level") {
    LOCKET_TRY_ASSIGN(options.log_level, log::ParseLevel(text));
  } else {
    LOCKET_TRY_ASSIGN(options.log_format, log::ParseFormat(text));
  }
  return Ok();
}

Status TakeRegistry(const std::string& key, const toml::value& value, Options& options) {
  if (key == "registry.hosts_dir") return TakePath(key, value, options.hosts_dir);
  if (key == "registry.credentials") return TakePath(key, value, options.credentials);
  if (key == "registry.credentials_dir") return TakePath(key, value, options.credentials_dir);
  if (key == "registry.ca_file") return TakePath(key, value, options.ca_file);
  if (key == "registry.timeout_s") return TakeSeconds(key, value, 1, options.registry_timeout);
  if (key == "registry.attempts") {
    return TakeNumber(key, value, 1, kMaxAttempts, options.registry_attempts);
  }
  if (key == "registry.max_downloads") {
    return TakeNumber(key, value, 1, kMaxDownloads, options.max_downloads);
  }
  if (key == "registry.max_downloads_per_host") {
    return TakeNumber(key, value, 1, kMaxDownloads, options.max_downloads_per_host);
  }
  return Wrong(key, "is unknown");
}

Status TakePatterns(const std::string& key, const toml::value& value,
                    std::vector<std::string>& out) {
  const Error wrong = Wrong(key, "must be a list of patterns, as \"registry.example/team/*\"");
  if (!value.is_array()) return wrong;
  std::vector<std::string> patterns;
  for (const toml::value& pattern : value.as_array()) {
    if (!pattern.is_string() || pattern.as_string().str.empty()) return wrong;
    patterns.push_back(pattern.as_string().str);
  }
  out = std::move(patterns);
  return Ok();
}

Status TakeConvert(const std::string& key, const toml::value& value, ConvertOptions& options) {
  if (key == "convert_images") return TakePatterns(key, value, options.images);
  if (key == "convert_except") return TakePatterns(key, value, options.except);
  if (!value.is_boolean()) return Wrong(key, "must be true or false");
  options.enabled = value.as_boolean();
  return Ok();
}

Status TakeMetricsAddress(const std::string& key, const toml::value& value, Options& options) {
  if (!value.is_string()) return Wrong(key, "must be a string");
  options.metrics_address = value.as_string().str;
  if (options.metrics_address.empty()) return Ok();
  return CheckMetricsAddress(options.metrics_address).While("key '" + key + "'");
}

Status TakeKey(const std::string& key, const toml::value& value, Options& options) {
  if (key == "root") return TakePath(key, value, options.root);
  if (key == "address") return TakePath(key, value, options.address);
  if (key == "log_level" || key == "log_format") return TakeLog(key, value, options);
  if (key == "convert" || key == "convert_images" || key == "convert_except") {
    return TakeConvert(key, value, options.convert);
  }
  if (key == "cri.address") return TakePath(key, value, options.cri_address);
  if (key == "cri.containerd") return TakePath(key, value, options.cri_containerd);
  if (key.starts_with("registry.")) return TakeRegistry(key, value, options);
  if (key == "cache.high_bytes") {
    return TakeNumber(key, value, 0, kMaxBytes, options.cache_high_bytes);
  }
  if (key == "cache.low_bytes") {
    return TakeNumber(key, value, 0, kMaxBytes, options.cache_low_bytes);
  }
  if (key == "cache.keep_partial_downloads_s") {
    return TakeSeconds(key, value, 0, options.keep_partial_downloads);
  }
  if (key == "metrics.address") return TakeMetricsAddress(key, value, options);
  return Wrong(key, "is unknown");
}

Status TakeTable(const toml::value& table, const std::string& prefix, Options& options) {
  for (const auto& [name, value] : table.as_table()) {
    const std::string key = prefix + name;
    if (value.is_table() &&
        (key == "registry" || key == "cri" || key == "cache" || key == "metrics")) {
      LOCKET_TRY(TakeTable(value, key + ".", options));
    } else {
      LOCKET_TRY(TakeKey(key, value, options));
    }
  }
  return Ok();
}

// First line only, without toml11's picture of the source.
std::string Summary(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  if (line.starts_with("[error] ")) line.erase(0, 8);
  return line;
}

// Flags as given; unset ones leave the file's value.
struct Flags {
  std::string config{};
  std::string root{};
  std::string address{};
  std::string log_level{};
  std::string log_format{};
  std::string hosts_dir{};
  std::string credentials{};
};

void Declare(CLI::App& app, Flags& flags, bool& check_config) {
  app.add_option("--config", flags.config, "TOML file; see deploy/snapshotter.toml");
  app.add_option("--root", flags.root, "directory for everything it keeps");
  app.add_option("--address", flags.address, "unix socket to listen on");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error");
  app.add_option("--log-format", flags.log_format, "text or json");
  app.add_option("--hosts-dir", flags.hosts_dir, "containerd's certs.d, for mirrors and CAs");
  app.add_option("--credentials", flags.credentials,
                 "docker's config.json, for private registries");
  app.add_flag("--check-config", check_config, "read configuration and credentials, then exit");
  app.set_version_flag("--version", "locket-snapshotter " + std::string(kVersion));
}

Result<Options> Combine(const Flags& flags) {
  Options options;
  if (!flags.config.empty()) {
    LOCKET_TRY_ASSIGN(const std::string text, ReadFile(flags.config, kMaxConfigFileBytes));
    LOCKET_TRY_ASSIGN(options, ParseConfig(text).While("read '" + flags.config + "'"));
  }
  if (!flags.root.empty()) options.root = flags.root;
  if (!flags.address.empty()) options.address = flags.address;
  if (!flags.hosts_dir.empty()) options.hosts_dir = flags.hosts_dir;
  if (!flags.credentials.empty()) options.credentials = flags.credentials;
  if (!flags.log_level.empty()) {
    LOCKET_TRY_ASSIGN(options.log_level, log::ParseLevel(flags.log_level));
  }
  if (!flags.log_format.empty()) {
    LOCKET_TRY_ASSIGN(options.log_format, log::ParseFormat(flags.log_format));
  }
  return options;
}

}  // namespace

Result<Options> ParseConfig(std::string_view text, const Options& defaults) {
  Options options = defaults;
  LOCKET_TRY(CheckUtf8(text).While("not TOML"));
  try {
    std::istringstream in{std::string(text)};
    const toml::value root = toml::parse(in, "configuration");
    LOCKET_TRY(TakeTable(root, "", options));
  } catch (const std::exception& e) {  // toml11 has no other way to say it
    return Error(ErrorCode::kInvalidArgument, Summary(e.what()));
  }
  if (options.root.empty()) return Wrong("root", "must not be empty");
  if (options.address.empty()) return Wrong("address", "must not be empty");
  const auto& cri = options.cri_address;
  if (!cri.empty() && (cri == options.address || cri == options.cri_containerd)) {
    return Wrong("cri.address", "must be a socket of its own");
  }
  if (!cri.empty() && options.cri_containerd.empty()) {
    return Wrong("cri.containerd", "must not be empty");
  }
  if (options.cache_low_bytes > options.cache_high_bytes) {
    return Wrong("cache.low_bytes", "must not be more than cache.high_bytes");
  }
  return options;
}

Result<CommandLine> ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line{.options = {}};
  Flags flags;
  CLI::App app("Keeps sealed container images for containerd: its snapshots service.",
               "locket-snapshotter");
  Declare(app, flags, line.check_config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    line.print = app.help();
    return line;
  } catch (const CLI::CallForVersion& version) {
    line.print = std::string(version.what()) + "\n";
    return line;
  } catch (const CLI::ParseError& e) {
    return Error(ErrorCode::kInvalidArgument, std::string(e.what()) + " (see --help)");
  }
  LOCKET_TRY_ASSIGN(line.options, Combine(flags));
  return line;
}

}  // namespace locket::snapshotter
