// What the operator decides: a TOML file, and flags that win over it.
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
  std::filesystem::path root = "/var/lib/locket-snapshotter";
  std::filesystem::path address = "/run/locket/snapshotter.sock";
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
  std::filesystem::path hosts_dir = "/etc/containerd/certs.d";
  std::filesystem::path credentials{};      // empty: none
  std::filesystem::path credentials_dir{};  // empty: none
  std::filesystem::path ca_file{};          // empty: the system's
  std::chrono::seconds registry_timeout{30};
  int registry_attempts = 5;
  size_t max_downloads = 16;
  size_t max_downloads_per_host = 8;
  std::filesystem::path cri_address{};  // empty: no proxy
  std::filesystem::path cri_containerd = "/run/containerd/containerd.sock";
  uint64_t cache_high_bytes = 10ULL << 30;
  uint64_t cache_low_bytes = 8ULL << 30;
  std::chrono::seconds keep_partial_downloads = std::chrono::hours(24);
  ConvertOptions convert{};
  std::string metrics_address{};  // empty: none
  bool operator==(const Options&) const = default;
};

struct CommandLine {
  Options options;
  bool check_config = false;
  std::optional<std::string> print{};  // --help, --version: print this and exit with 0
};

// `defaults` with what `text` sets. kInvalidArgument: not TOML, an unknown key, a wrong type or
// value; the message names the key.
Result<Options> ParseConfig(std::string_view text, const Options& defaults = {});

// kInvalidArgument: wrong flags. Reads the file that --config names.
Result<CommandLine> ParseCommandLine(int argc, const char* const* argv);

}  // namespace locket::snapshotter
