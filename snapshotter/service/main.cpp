#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/log.h"
#include "base/version.h"
#include "snapshotter/containerd/containerd_client.h"
#include "snapshotter/metrics/metrics.h"
#include "snapshotter/pull/image_proxy.h"
#include "snapshotter/pull/pull_secrets.h"
#include "snapshotter/pull/registry_fetcher.h"
#include "snapshotter/pull/reloading_fetcher.h"
#include "snapshotter/service/cache_service.h"
#include "snapshotter/service/options.h"
#include "snapshotter/service/passed_sockets.h"
#include "snapshotter/service/snapshots_service.h"
#include "snapshotter/store/failpoint.h"
#include "snapshotter/store/store_rocksdb.h"

namespace {

using namespace locket;
using namespace locket::snapshotter;

constexpr int kUsage = 2;
constexpr std::chrono::seconds kGrace{5};

int Fail(const Error& error, int status) {
  std::fprintf(stderr, "locket-snapshotter: %s\n", error.message().c_str());
  return status;
}

Result<std::unique_ptr<Fetcher>> MakeFetcher(const Options& options, PullSecrets& secrets) {
  RegistryFetcherOptions fetcher{.hosts_directory = options.hosts_dir,
                                 .credential_files = {},
                                 .credentials_directory = options.credentials_dir,
                                 .pull_secrets = &secrets,
                                 .ca_file = options.ca_file,
                                 .timeout = options.registry_timeout,
                                 .attempts = options.registry_attempts,
                                 .max_downloads = options.max_downloads,
                                 .max_downloads_per_host = options.max_downloads_per_host};
  if (!options.credentials.empty()) fetcher.credential_files.push_back(options.credentials);
  return MakeRegistryFetcher(fetcher);
}

// Blocked before the first thread starts, so that sigwait(3) alone gets them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// What systemd holds for us.
Result<PassedSockets> TakePassedSockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  if (count < 0) return Error::FromErrno(-count, "take systemd's sockets");
  std::vector<PassedSocket> passed;
  for (int i = 0; i < count; ++i) {
    passed.push_back({.name = names[i], .fd = UniqueFd(SD_LISTEN_FDS_START + i)});
    std::free(names[i]);
  }
  std::free(static_cast<void*>(names));
  return SortSockets(std::move(passed));
}

// systemd's sockets where there are any, else our own. Without images(): no proxy.
Result<PassedSockets> OpenSockets(const Options& options) {
  LOCKET_TRY_ASSIGN(PassedSockets sockets, TakePassedSockets());
  if (!sockets.snapshots) {
    LOCKET_TRY_ASSIGN(Listener listener, Listener::Listen(options.address));
    sockets.snapshots.emplace(std::move(listener));
  }
  if (!sockets.images && !options.cri_address.empty()) {
    LOCKET_TRY_ASSIGN(Listener listener, Listener::Listen(options.cri_address));
    sockets.images.emplace(std::move(listener));
  }
  return sockets;
}

// What concerns registries is read again; a file that is wrong changes nothing.
void Reload(int argc, const char* const* argv, PullSecrets& secrets, ReloadingFetcher& fetcher) {
  sd_notify(0, "RELOADING=1");
  const auto line = ParseCommandLine(argc, argv);
  auto made = line.ok() ? MakeFetcher(line->options, secrets)
                        : Result<std::unique_ptr<Fetcher>>(line.error());
  if (made.ok()) {
    fetcher.Replace(std::move(made).value());
    log::Info("registry settings and credentials read again");
  } else {
    log::Error("going on with the old settings", {log::Field(made.error())});
  }
  sd_notify(0, "READY=1");
}

// What a scrape shows of the cache; an unreadable disk shows as an empty one.
Gauges LookAt(BlobCache& blobs, const Converter& converter, const Snapshots& snapshots) {
  Gauges gauges{
      .cache = blobs.figures(), .conversion = converter.figures(), .snapshots = snapshots.size()};
  const auto listed = blobs.List();
  if (!listed.ok()) return gauges;
  gauges.blobs = listed->size();
  for (const CachedBlob& blob : *listed) {
    gauges.blob_bytes += blob.size_bytes;
    if (!blob.used && !blob.held && !blob.pinned) gauges.unused_blob_bytes += blob.size_bytes;
  }
  return gauges;
}

// Nothing: none are wanted.
Result<std::unique_ptr<Metrics>> ServeMetrics(const std::string& address,
                                              std::function<Gauges()> look) {
  if (address.empty()) return std::unique_ptr<Metrics>();
  LOCKET_TRY_ASSIGN(auto metrics, Metrics::Serve(address, std::move(look)));
  log::Info("serving metrics", {{"address", metrics->address()}});
  return metrics;
}

// Nothing: the kubelet talks to containerd itself.
Result<std::unique_ptr<ImageProxy>> StartProxy(std::optional<Listener> listener,
                                               const Options& options, PullSecrets& secrets) {
  if (!listener) return std::unique_ptr<ImageProxy>();
  const std::string address = listener->path().string();
  LOCKET_TRY_ASSIGN(auto proxy,
                    ImageProxy::Start(std::move(*listener), options.cri_containerd, secrets));
  log::Info("serving the kubelet's image service",
            {{"address", address}, {"to", options.cri_containerd.string()}});
  return proxy;
}

Status Run(const Options& options, PullSecrets& secrets, ReloadingFetcher& fetcher,
           const std::function<void()>& reload) {
  const sigset_t signals = BlockSignals();
  LOCKET_TRY_ASSIGN(const RootDirectory root, RootDirectory::Open(options.root));
  LOCKET_TRY_ASSIGN(PassedSockets sockets, OpenSockets(options));
  LOCKET_TRY_ASSIGN(const auto store, OpenRocksDbStore(root.meta()));
  BlobCache blobs(root, fetcher,
                  {.high_bytes = options.cache_high_bytes, .low_bytes = options.cache_low_bytes});
  const SystemClock clock;
  // Also when it has nothing to convert: it knows what was converted before.
  LOCKET_TRY_ASSIGN(
      const auto converter,
      Converter::Open({.root = root, .blobs = blobs, .clock = clock, .options = options.convert}));
  const auto containerd = MakeContainerdClient(options.cri_containerd);
  LOCKET_TRY_ASSIGN(const auto snapshots,
                    Snapshots::Open({.root = root,
                                     .store = *store,
                                     .blobs = blobs,
                                     .clock = clock,
                                     .containerd = *containerd,
                                     .keep_partials = options.keep_partial_downloads,
                                     .converter = converter.get()}));
  CacheAdmin admin(*snapshots, blobs, converter.get());
  const auto cache_service = MakeCacheService(admin);
  LOCKET_TRY_ASSIGN(const auto metrics, ServeMetrics(options.metrics_address, [&] {
                      return LookAt(blobs, *converter, *snapshots);
                    }));
  LOCKET_TRY_ASSIGN(
      const auto server,
      SnapshotsServer::Start(*snapshots, std::move(*sockets.snapshots),
                             {.services = {cache_service.get()}, .metrics = metrics.get()}));
  LOCKET_TRY_ASSIGN(const auto proxy, StartProxy(std::move(sockets.images), options, secrets));
  log::Info("serving", {{"address", options.address.string()},
                        {"root", root.path().string()},
                        {"version", kVersion}});
  sd_notify(0, "READY=1");
  int received = 0;
  while (sigwait(&signals, &received) == 0 && received == SIGHUP) reload();
  sd_notify(0, "STOPPING=1");
  log::Info("stopping", {{"signal", received}});
  blobs.Stop();
  converter->Stop();
  if (proxy) proxy->Shutdown(kGrace);
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
  PullSecrets secrets;
  auto fetcher = MakeFetcher(options, secrets);
  if (!fetcher.ok()) return Fail(fetcher.error(), line->check_config ? kUsage : EXIT_FAILURE);
  if (line->check_config) return EXIT_SUCCESS;
  ReloadingFetcher reloading(std::move(fetcher).value());
  const auto done =
      Run(options, secrets, reloading, [&] { Reload(argc, argv, secrets, reloading); });
  return done.ok() ? EXIT_SUCCESS : Fail(done.error(), EXIT_FAILURE);
}
