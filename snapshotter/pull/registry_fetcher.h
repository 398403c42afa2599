// The Fetcher that asks registries, with containerd's own configuration of hosts (certs.d).
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/result.h"
#include "snapshotter/cache/fetcher.h"
#include "snapshotter/pull/pull_secrets.h"

namespace locket::snapshotter {

struct RegistryFetcherOptions {
  std::filesystem::path hosts_directory;                // containerd's certs.d
  std::vector<std::filesystem::path> credential_files;  // docker's config.json format
  std::filesystem::path credentials_directory{};        // more of them, asked after those
  PullSecrets* pull_secrets = nullptr;                  // asked before; outlives the fetcher
  std::filesystem::path ca_file{};                      // empty: the system's
  std::chrono::milliseconds timeout{30'000};            // without one byte from the registry
  int attempts = 5;           // of a request; a blob counts from the last byte that got through
  size_t max_downloads = 16;  // of blobs, at a time
  size_t max_downloads_per_host = 8;  // from one registry
};

// Returns a fetcher with these options. Credential files are read now and not again; a change needs
// a new fetcher (ReloadingFetcher). kInvalidArgument: a file among the options cannot be
// understood. kNotFound: there is no such directory.
Result<std::unique_ptr<Fetcher>> MakeRegistryFetcher(const RegistryFetcherOptions& options);

}  // namespace locket::snapshotter
