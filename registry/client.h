// The OCI distribution API (distribution-spec v1), as a client.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/oci/image_source.h"
#include "image/oci/manifest.h"
#include "image/oci/reference.h"
#include "registry/credentials.h"

namespace locket::registry {

struct RetryPolicy {
  int max_attempts = 5;  // of one request; a blob counts from the last byte that got through
  std::chrono::milliseconds first_delay{500};   // doubles, plus up to a quarter at random
  std::chrono::milliseconds max_delay{30'000};  // bounds Retry-After too
  // Waits; tests put their own here. Unset: sleeps until `stop` is asked for.
  std::function<void(std::chrono::milliseconds, const std::stop_token& stop)> wait{};
};

struct ClientOptions {
  std::filesystem::path certs_directory = "/etc/containerd/certs.d";
  CredentialStore credentials{};
  CredentialLookup given{};         // asked before `credentials`
  std::filesystem::path ca_file{};  // empty: the system's
  RetryPolicy retry{};
  std::chrono::milliseconds connect_timeout{10'000};
  // A transfer slower than this for `stall_timeout` is broken off and resumed.
  uint64_t stall_bytes_per_second = 1024;
  std::chrono::seconds stall_timeout{30};
  // For the answer to an upload, once all is sent: large blobs take a registry's storage its time.
  std::chrono::seconds upload_answer_timeout{600};
};

struct CallOptions {
  std::stop_token stop{};  // kCancelled once asked for
  std::function<void(uint64_t done, uint64_t total)> progress{};
  // Before each pause between two attempts.
  std::function<void(std::chrono::milliseconds pause)> on_pause{};
};

using BlobSink = std::function<Status(std::span<const std::byte>)>;

// Thread-safe. Pulls ask the endpoints of hosts.toml in turn; pushes go to the first that takes
// them. Errors name host and image, the HTTP status and the registry's own code, and the way out;
// if several endpoints failed, each of them with its reason, under the last one's code. kNotFound:
// no such image or blob. kPermissionDenied: 401, 403. kUnavailable: unreachable, or 5xx or 429 to
// the end of the retries. kDataLoss: size or digest wrong; never retried on the same server.
class RegistryClient {
 public:
  static Result<std::unique_ptr<RegistryClient>> Create(ClientOptions options);
  ~RegistryClient();
  RegistryClient(const RegistryClient&) = delete;

  // Manifest or index, digest checked.
  Result<image::ManifestContent> FetchManifest(const image::Reference& image,
                                               const CallOptions& call = {});

  // The blob's bytes in order, each once. They are to be trusted only after Ok(): the digest is
  // known at the end. An error of `sink` ends the transfer and is returned.
  Status FetchBlob(const image::Reference& image, const image::Descriptor& blob,
                   const BlobSink& sink, const CallOptions& call = {});

  // The blob to the file open for reading and writing at `fd`, going on from what it holds (a
  // former try that broke off). kDataLoss: the file is left empty. Other errors leave what came so
  // far, to go on from.
  Status FetchBlobToFile(const image::Reference& image, const image::Descriptor& blob, int fd,
                         const CallOptions& call = {});

  // True if the registry that pushes go to has the blob, or took it over from `mount_from`, another
  // repository of its own (unless empty): nothing needs to be sent.
  Result<bool> AdoptBlob(const image::Reference& image, const image::Descriptor& blob,
                         const std::string& mount_from, const CallOptions& call = {});

  // Uploads the first `blob.size` bytes of `fd` unless the registry has the blob.
  Status PushBlob(const image::Reference& image, const image::Descriptor& blob, int fd,
                  const CallOptions& call = {});
  Status PushBlobBytes(const image::Reference& image, const image::Descriptor& blob,
                       std::string_view bytes, const CallOptions& call = {});

  // Under the reference's tag, or by digest if it has none (then the bytes must fit it).
  Result<image::Descriptor> PushManifest(const image::Reference& image, std::string_view media_type,
                                         std::string_view bytes, const CallOptions& call = {});

 private:
  class Impl;
  explicit RegistryClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::registry
