#include "snapshotter/service/options.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/server_flags.h"
#include "base/toml_table.h"
#include "base/version.h"
#include "snapshotter/metrics/metrics_address.h"

namespace locket::snapshotter {
namespace {

constexpr size_t kMaxConfigFileBytes = 1U << 20;
constexpr int64_t kMaxAttempts = 100;
constexpr int64_t kMaxDownloads = 1024;
constexpr int64_t kMaxBytes = 1LL << 60;
constexpr int64_t kMaxSeconds = 366 * 24 * 3600;

Status TakePath(TomlTable& table, const char* key, std::filesystem::path* out) {
  LOCKET_TRY(table.Take(key, out));
  if (out->empty() || out->is_absolute()) return Ok();
  return table.Wrong(key, "must be an absolute path");
}

Status TakePatterns(TomlTable& table, const char* key, std::vector<std::string>* out) {
  LOCKET_TRY(table.Take(key, out));
  if (std::ranges::none_of(*out, &std::string::empty)) return Ok();
  return table.Wrong(key, "must be a list of patterns, as \"registry.example/team/*\"");
}

Status TakeRegistry(TomlTable table, Options& options) {
  LOCKET_TRY(TakePath(table, "hosts_dir", &options.hosts_dir));
  LOCKET_TRY(TakePath(table, "credentials", &options.credentials));
  LOCKET_TRY(TakePath(table, "credentials_dir", &options.credentials_dir));
  LOCKET_TRY(TakePath(table, "ca_file", &options.ca_file));
  LOCKET_TRY(table.Take("timeout_s", 1, kMaxSeconds, &options.registry_timeout));
  LOCKET_TRY(table.Take("attempts", 1, kMaxAttempts, &options.registry_attempts));
  LOCKET_TRY(table.Take("max_downloads", 1, kMaxDownloads, &options.max_downloads));
  LOCKET_TRY(
      table.Take("max_downloads_per_host", 1, kMaxDownloads, &options.max_downloads_per_host));
  return table.Finish();
}

Status TakeCri(TomlTable table, Options& options) {
  LOCKET_TRY(TakePath(table, "address", &options.cri_address));
  LOCKET_TRY(TakePath(table, "containerd", &options.cri_containerd));
  if (options.cri_containerd.empty()) return table.Wrong("containerd", "must not be empty");
  const auto& cri = options.cri_address;
  if (!cri.empty() && (cri == options.address || cri == options.cri_containerd)) {
    return table.Wrong("address", "must be a socket of its own");
  }
  return table.Finish();
}

Status TakeCache(TomlTable table, Options& options) {
  LOCKET_TRY(table.Take("high_bytes", 0, kMaxBytes, &options.cache_high_bytes));
  LOCKET_TRY(table.Take("low_bytes", 0, kMaxBytes, &options.cache_low_bytes));
  LOCKET_TRY(
      table.Take("keep_partial_downloads_s", 0, kMaxSeconds, &options.keep_partial_downloads));
  if (options.cache_low_bytes > options.cache_high_bytes) {
    return table.Wrong("low_bytes", "must not be more than cache.high_bytes");
  }
  return table.Finish();
}

Status TakeMetrics(TomlTable table, Options& options) {
  LOCKET_TRY(table.Take("address", &options.metrics_address));
  if (!options.metrics_address.empty()) {
    LOCKET_TRY(CheckMetricsAddress(options.metrics_address).While("key 'metrics.address'"));
  }
  return table.Finish();
}

Status TakeAll(TomlTable& table, Options& options) {
  LOCKET_TRY(TakePath(table, "root", &options.root));
  if (options.root.empty()) return table.Wrong("root", "must not be empty");
  LOCKET_TRY(TakePath(table, "address", &options.address));
  if (options.address.empty()) return table.Wrong("address", "must not be empty");
  LOCKET_TRY(TakeLog(table, &options.log_level, &options.log_format));
  LOCKET_TRY(table.Take("convert", &options.convert.enabled));
  LOCKET_TRY(TakePatterns(table, "convert_images", &options.convert.images));
  LOCKET_TRY(TakePatterns(table, "convert_except", &options.convert.except));
  LOCKET_TRY_ASSIGN(auto registry, table.TakeTable("registry"));
  LOCKET_TRY(TakeRegistry(std::move(registry), options));
  LOCKET_TRY_ASSIGN(auto cri, table.TakeTable("cri"));
  LOCKET_TRY(TakeCri(std::move(cri), options));
  LOCKET_TRY_ASSIGN(auto cache, table.TakeTable("cache"));
  LOCKET_TRY(TakeCache(std::move(cache), options));
  LOCKET_TRY_ASSIGN(auto metrics, table.TakeTable("metrics"));
  LOCKET_TRY(TakeMetrics(std::move(metrics), options));
  return table.Finish();
}

// Flags as given; unset ones leave the file's value.
struct Flags {
  std::string config{};
  std::string root{};
  std::string address{};
  std::string containerd{};
  LogFlags log{};
  std::string hosts_dir{};
  std::string credentials{};
};

void Declare(CLI::App& app, Flags& flags, bool& check_config) {
  app.add_option("--config", flags.config,
                 "Configuration file in TOML. Options given here win over it.\n"
                 "/etc/locket/snapshotter.toml explains every key")
      ->type_name("FILE");
  app.add_option("--root", flags.root,
                 "Directory for everything that the snapshotter keeps\n"
                 "(default: /var/lib/locket-snapshotter)")
      ->type_name("DIR");
  app.add_option("--address", flags.address,
                 "Unix socket to listen on\n(default: /run/locket/snapshotter.sock)")
      ->type_name("PATH");
  app.add_option("--containerd", flags.containerd,
                 "containerd's own socket\n(default: /run/containerd/containerd.sock)")
      ->type_name("PATH");
  flags.log.AddTo(app);
  app.add_option("--hosts-dir", flags.hosts_dir,
                 "Directory of containerd's hosts.toml files, with\n"
                 "mirrors and CAs of registries\n(default: /etc/containerd/certs.d)")
      ->type_name("DIR");
  app.add_option("--credentials", flags.credentials,
                 "Credentials for private registries, in the format of\n"
                 "docker's config.json (default: none)")
      ->type_name("FILE");
  app.add_flag("--check-config", check_config,
               "Check the configuration and the credentials, then exit");
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
  if (!flags.containerd.empty()) options.cri_containerd = flags.containerd;
  if (!flags.hosts_dir.empty()) options.hosts_dir = flags.hosts_dir;
  if (!flags.credentials.empty()) options.credentials = flags.credentials;
  LOCKET_TRY(flags.log.Apply(&options.log_level, &options.log_format));
  return options;
}

}  // namespace

Result<Options> ParseConfig(std::string_view text, const Options& defaults) {
  Options options = defaults;
  LOCKET_TRY_ASSIGN(TomlTable table, TomlTable::Parse(text));
  LOCKET_TRY(TakeAll(table, options));
  return options;
}

Result<CommandLine> ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line{.options = {}};
  Flags flags;
  CLI::App app("Pulls, keeps and mounts sealed container images for containerd.",
               "locket-snapshotter");
  app.footer(
      "SIGHUP reads [registry] of the configuration file again.\n"
      "Exits 0 after SIGTERM or SIGINT, 1 for a failure, 2 for a wrong command line.\n\n"
      "Examples:\n"
      "  locket-snapshotter --check-config --config /etc/locket/snapshotter.toml\n"
      "  locket-snapshotter --config /etc/locket/snapshotter.toml --log-level debug");
  Declare(app, flags, line.check_config);
  LOCKET_TRY_ASSIGN(line.print, ParseArguments(app, argc, argv));
  if (line.print) return line;
  LOCKET_TRY_ASSIGN(line.options, Combine(flags));
  return line;
}

}  // namespace locket::snapshotter
