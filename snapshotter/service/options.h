// What the operator decides: a TOML file, and flags that take precedence over it. Every key is
// explained in deploy/snapshotter.toml.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "snapshotter/convert/convert_selection.h"

namespace locket::snapshotter {

struct Options {
  std::filesystem::path root = "/var/lib/locket-snapshotter";      // see RootDirectory
  std::filesystem::path address = "/run/locket/snapshotter.sock";  // the socket for containerd
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
  std::filesystem::path hosts_dir = "/etc/containerd/certs.d";  // hosts.toml of each registry
  std::filesystem::path credentials{};                          // a docker config.json; empty: none
  std::filesystem::path credentials_dir{};    // a directory of such files; empty: none
  std::filesystem::path ca_file{};            // PEM; empty: the system's
  std::chrono::seconds registry_timeout{30};  // without one byte from the registry
  int registry_attempts = 5;                  // of each request
  size_t max_downloads = 16;                  // of blobs, at a time
  size_t max_downloads_per_host = 8;
  std::filesystem::path cri_address{};  // the socket for the kubelet; empty: no ImageProxy
  // containerd's own socket: for its CRI, and for the images of containers.
  std::filesystem::path cri_containerd = "/run/containerd/containerd.sock";
  uint64_t cache_high_bytes = 10ULL << 30;  // see CacheLimits
  uint64_t cache_low_bytes = 8ULL << 30;
  std::chrono::seconds keep_partial_downloads = std::chrono::hours(24);
  ConvertOptions convert{};
  std::string metrics_address{};  // see CheckMetricsAddress; empty: no metrics
  bool operator==(const Options&) const = default;
};

struct CommandLine {
  Options options;
  bool check_config = false;           // read the configuration and exit
  std::optional<std::string> print{};  // --help, --version: print this and exit with 0
};

// Returns `defaults` with the values that the TOML document `text` sets. kInvalidArgument: it is
// not TOML, or has an unknown key, a wrong type or a wrong value; the message names line and key.
Result<Options> ParseConfig(std::string_view text, const Options& defaults = {});

// Returns what the command line asks for, with the values of the file that --config names below its
// flags. kInvalidArgument: the flags or the file are wrong.
Result<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace locket::snapshotter
