// The OCI distribution API (distribution-spec v1), as a client: manifests and blobs down and up,
// with mirrors, tokens, resumed transfers and retries.
//
//   LOCKET_TRY_ASSIGN(auto client, RegistryClient::Create({.credentials = std::move(store)}));
//   LOCKET_TRY_ASSIGN(auto manifest, client->FetchManifest(image));
//   LOCKET_TRY(client->FetchBlobToFile(image, layer, fd));
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

// How often a request is tried, and how long the client waits in between. Retried are connection
// troubles, stalls, and the statuses 408, 429, 500, 502, 503 and 504.
struct RetryPolicy {
  // How often one request is sent, at least 1. When bytes of a blob get through, the count starts
  // anew. An endpoint gets one attempt as long as another endpoint comes after it.
  int max_attempts = 5;
  std::chrono::milliseconds first_delay{500};   // doubles each time, plus up to a quarter at random
  std::chrono::milliseconds max_delay{30'000};  // whatever a Retry-After header asks for
  // Waits; tests put their own here. Unset: sleeps until `stop` is asked for.
  std::function<void(std::chrono::milliseconds, const std::stop_token& stop)> wait{};
};

// For all calls of a client.
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

// For one call. The functions are called by the thread that makes the call.
struct CallOptions {
  std::stop_token stop{};                                         // ends the call with kCancelled
  std::function<void(uint64_t done, uint64_t total)> progress{};  // in bytes of the blob
  // Called before each pause between two attempts.
  std::function<void(std::chrono::milliseconds pause)> on_pause{};
};

using BlobSink = std::function<Status(std::span<const std::byte>)>;

// Thread-safe: calls of several threads run at the same time and share connections and tokens.
// Pulls ask the endpoints of hosts.toml in turn until one succeeds; pushes go to the first that
// takes them.
//
// hosts.toml is read anew for each call. Messages name the host, the image, the HTTP status, the
// registry's own code and what the reader can do. If several endpoints failed, the message has the
// reason of each, and the code is that of the last. Codes:
//   kNotFound           there is no such image or blob
//   kPermissionDenied   401 or 403: log in, or ask for the right
//   kUnavailable        unreachable, or 5xx or 429 until the last attempt: try again later
//   kDeadlineExceeded   a transfer stalled until the last attempt
//   kFailedPrecondition TLS or its files, a credential helper, an endpoint that cannot be asked
//   kDataLoss           size or digest is wrong; the same server is not asked again
//   kInvalidArgument    another 4xx, a malformed hosts.toml, or a document that is no manifest
//   kResourceExhausted  a manifest or index is larger than image::kMaxManifestBytes
//   kCancelled          `CallOptions::stop` was asked for
class RegistryClient {
 public:
  // Makes a client; connects to nothing. kInvalidArgument: max_attempts is less than 1.
  static Result<std::unique_ptr<RegistryClient>> Create(ClientOptions options);
  ~RegistryClient();
  RegistryClient(const RegistryClient&) = delete;

  // Returns the manifest or index that the reference names. Its digest is checked against that of
  // the reference or, if the reference has none, against what the registry states, if anything.
  Result<image::ManifestContent> FetchManifest(const image::Reference& image,
                                               const CallOptions& call = {});

  // Gives the blob's bytes to `sink`, in order and each once, also when the transfer is resumed.
  // The bytes are to be trusted only after this has succeeded, as the digest is known at the end.
  // After a failure `sink` has got the first part of them. An error of `sink` ends the transfer and
  // is returned.
  Status FetchBlob(const image::Reference& image, const image::Descriptor& blob,
                   const BlobSink& sink, const CallOptions& call = {});

  // Downloads the blob to the file open for reading and writing at `fd`. What the file holds
  // already, from a former call that broke off, is hashed and not fetched again. On success the
  // file has exactly the bytes of the blob. kDataLoss: the file is left empty. After other errors
  // it holds the bytes that came so far, for the next call.
  Status FetchBlobToFile(const image::Reference& image, const image::Descriptor& blob, int fd,
                         const CallOptions& call = {});

  // Returns true if the blob need not be sent: the registry that pushes go to has it, or has taken
  // it over from `mount_from`, another repository of that registry (if not empty).
  Result<bool> AdoptBlob(const image::Reference& image, const image::Descriptor& blob,
                         const std::string& mount_from, const CallOptions& call = {});

  // Upload the first `blob.size` bytes of `fd`, or `bytes`, unless the registry has the blob. They
  // are read again for each attempt. kInvalidArgument: `bytes` has another size than `blob`.
  Status PushBlob(const image::Reference& image, const image::Descriptor& blob, int fd,
                  const CallOptions& call = {});
  Status PushBlobBytes(const image::Reference& image, const image::Descriptor& blob,
                       std::string_view bytes, const CallOptions& call = {});

  // Stores `bytes` under the tag of the reference, or under its digest if it has no tag. Returns
  // the document's descriptor. kDataLoss: the reference or the registry's answer has another digest
  // than `bytes`; in the second case the registry has stored something.
  Result<image::Descriptor> PushManifest(const image::Reference& image, std::string_view media_type,
                                         std::string_view bytes, const CallOptions& call = {});

 private:
  class Impl;
  explicit RegistryClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::registry
