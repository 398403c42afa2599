#include "snapshotter/pull/registry_fetcher.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "image/oci/reference.h"
#include "registry/client.h"
#include "registry/download_slots.h"

namespace locket::snapshotter {
namespace {

// Asks a call to stop when nothing came for too long, or when its caller wants it to.
class Watchdog {
 public:
  Watchdog(std::chrono::milliseconds timeout, const std::stop_token& outer)
      : timeout_(timeout),
        on_outer_(outer, [this] { source_.request_stop(); }),
        thread_([this](const std::stop_token& done) { Watch(done); }) {}

  std::stop_token token() const { return source_.get_token(); }
  // Silence is fine for `pause`; it counts from then on.
  void Touch(std::chrono::milliseconds pause = {}) {
    const std::lock_guard lock(mutex_);
    deadline_ = std::chrono::steady_clock::now() + pause + timeout_;
  }
  bool expired() {
    const std::lock_guard lock(mutex_);
    return expired_;
  }

 private:
  void Watch(const std::stop_token& done) {
    std::unique_lock lock(mutex_);
    while (!done.stop_requested()) {
      if (std::chrono::steady_clock::now() >= deadline_) {
        expired_ = true;
        lock.unlock();
        source_.request_stop();
        return;
      }
      const auto until = deadline_;
      wake_.wait_until(lock, done, until, [] { return false; });
    }
  }

  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + timeout_;
  bool expired_ = false;
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_outer_;
  std::jthread thread_;  // last, so that it is joined first
};

class RegistryFetcher final : public Fetcher {
 public:
  RegistryFetcher(std::unique_ptr<registry::RegistryClient> client,
                  const registry::DownloadLimits& limits, std::chrono::milliseconds timeout)
      : client_(std::move(client)), slots_(limits), timeout_(timeout) {}

  Result<std::string> FetchManifest(const std::string& reference, const image::Digest& digest,
                                    const std::stop_token& stop) override {
    LOCKET_TRY_ASSIGN(image::Reference image, image::ParseReference(reference));
    image.digest = digest;
    Watchdog watchdog(timeout_, stop);
    auto content = client_->FetchManifest(image, Options(watchdog));
    if (!content.ok()) return Explain(std::move(content).error(), watchdog, reference);
    return std::move(content->bytes);
  }

  Status FetchBlob(const std::string& reference, const image::Descriptor& blob, int fd,
                   const std::stop_token& stop) override {
    LOCKET_TRY_ASSIGN(const image::Reference image, image::ParseReference(reference));
    LOCKET_TRY_ASSIGN(const auto slot,
                      slots_.Take(image.registry, stop).While("'" + reference + "'"));
    Watchdog watchdog(timeout_, stop);
    auto fetched = client_->FetchBlobToFile(image, blob, fd, Options(watchdog));
    if (!fetched.ok()) return Explain(std::move(fetched).error(), watchdog, reference);
    return fetched;
  }

 private:
  static registry::CallOptions Options(Watchdog& watchdog) {
    return {.stop = watchdog.token(),
            .progress = [&watchdog](uint64_t, uint64_t) { watchdog.Touch(); },
            .on_pause = [&watchdog](std::chrono::milliseconds pause) { watchdog.Touch(pause); }};
  }

  Error Explain(Error error, Watchdog& watchdog, const std::string& reference) const {
    if (!watchdog.expired()) return error;
    return {ErrorCode::kDeadlineExceeded, "'" + reference + "': the registry sent nothing for " +
                                              std::to_string(timeout_.count()) +
                                              " ms; is it reachable from this host?"};
  }

  std::unique_ptr<registry::RegistryClient> client_;
  registry::DownloadSlots slots_;
  const std::chrono::milliseconds timeout_;
};

}  // namespace

Result<std::unique_ptr<Fetcher>> MakeRegistryFetcher(const RegistryFetcherOptions& options) {
  registry::ClientOptions client_options;
  client_options.certs_directory = options.hosts_directory;
  client_options.ca_file = options.ca_file;
  client_options.connect_timeout = std::min(client_options.connect_timeout, options.timeout);
  client_options.retry.max_attempts = options.attempts;
  auto files = options.credential_files;
  if (!options.credentials_directory.empty()) {
    LOCKET_TRY_ASSIGN(const auto more, registry::CredentialFilesIn(options.credentials_directory));
    files.insert(files.end(), more.begin(), more.end());
  }
  client_options.credentials = registry::CredentialStore::Load(files);
  LOCKET_TRY(client_options.credentials.Check());
  if (options.pull_secrets != nullptr) {
    client_options.given = [secrets = options.pull_secrets](std::string_view host,
                                                            std::string_view repository)
        -> Result<std::optional<registry::Credentials>> { return secrets->Find(host, repository); };
  }
  LOCKET_TRY_ASSIGN(auto client, registry::RegistryClient::Create(std::move(client_options)));
  return std::unique_ptr<Fetcher>(std::make_unique<RegistryFetcher>(
      std::move(client),
      registry::DownloadLimits{.total = options.max_downloads,
                               .per_host = options.max_downloads_per_host},
      options.timeout));
}

}  // namespace locket::snapshotter
