#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "base/version.h"
#include "snapshotter/failpoint.h"
#include "snapshotter/options.h"
#include "snapshotter/registry_fetcher.h"
#include "snapshotter/snapshots_service.h"
#include "snapshotter/store_rocksdb.h"

namespace {

using namespace locket;
using namespace locket::snapshotter;

constexpr int kUsage = 2;
constexpr std::chrono::seconds kGrace{5};

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-snapshotter: %s\n", error.message().c_str());
  return status;
}

Result<std::unique_ptr<Fetcher>> MakeFetcher(const Options& options) {
  RegistryFetcherOptions fetcher{.hosts_directory = options.hosts_dir,
                                 .credential_files = {},
                                 .ca_file = options.ca_file,
                                 .timeout = options.registry_timeout};
  if (!options.credentials.empty()) fetcher.credential_files.push_back(options.credentials);
  return MakeRegistryFetcher(fetcher);
}

// SIGTERM and SIGINT, blocked before the first thread starts, so that sigwait(3) alone gets them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

Status Run(const Options& options, Fetcher& fetcher) {
  const sigset_t signals = BlockSignals();
  LOCKET_TRY_ASSIGN(const RootDirectory root, RootDirectory::Open(options.root));
  LOCKET_TRY_ASSIGN(const auto store, OpenRocksDbStore(root.meta()));
  BlobCache blobs(root, fetcher);
  const SystemClock clock;
  LOCKET_TRY_ASSIGN(const auto snapshots,
                    Snapshots::Open({.root = root,
                                     .store = *store,
                                     .blobs = blobs,
                                     .clock = clock,
                                     .keep_partials = options.keep_partial_downloads}));
  LOCKET_TRY_ASSIGN(const auto server, SnapshotsServer::Start(*snapshots, options.address));
  log::Info("serving", {{"address", options.address.string()},
                        {"root", root.path().string()},
                        {"version", kVersion}});
  int received = 0;
  sigwait(&signals, &received);
  log::Info("stopping", {{"signal", received}});
  blobs.Stop();
  server->Shutdown(kGrace);
  return Ok();
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = ParseCommandLine(argc, argv);
  if (!line.ok()) return Fail(line.error(), kUsage);
  if (line->print)
    return std::fputs(line->print->c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
  if (const char* failpoint = std::getenv("LOCKET_SNAPSHOTTER_FAILPOINT")) {
    if (const Status armed = ArmFailpoint(failpoint); !armed.ok())
      return Fail(armed.error(), kUsage);
  }
  const Options& options = line->options;
  log::Init("locket-snapshotter", options.log_level, options.log_format);
  const auto fetcher = MakeFetcher(options);
  if (!fetcher.ok()) return Fail(fetcher.error(), line->check_config ? kUsage : EXIT_FAILURE);
  if (line->check_config) return EXIT_SUCCESS;
  const auto done = Run(options, **fetcher);
  return done.ok() ? EXIT_SUCCESS : Fail(done.error(), EXIT_FAILURE);
}
