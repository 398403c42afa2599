// One HTTP exchange over libcurl. No retries, no redirects, no credentials: those are the layers
// above.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/hosts.h"
#include "registry/url.h"

namespace locket::registry {

// See ClientOptions in registry/client.h, which these come from.
struct HttpOptions {
  std::filesystem::path certs_directory;  // of TlsFor
  std::filesystem::path ca_file;
  std::chrono::milliseconds connect_timeout;
  uint64_t stall_bytes_per_second;
  std::chrono::seconds stall_timeout;
  std::chrono::seconds upload_answer_timeout;
};

struct HttpResponse {
  long status = 0;
  std::multimap<std::string, std::string> headers{};  // names in lower case
  std::string body{};  // up to `max_body_bytes`; empty if the body went to a sink
  // "token service '...'", "redirected to '...'"; empty: the server that was asked.
  std::string answered_by{};
  std::string Header(std::string_view name) const;
  std::optional<uint64_t> ContentLength() const;
  bool IsSuccess() const { return status >= 200 && status < 300; }
  // By Content-Encoding: then Content-Length does not count the bytes that come.
  bool IsEncoded() const;
};

// Asked once, at the first byte of a 2xx body.
using BodyFilter = std::function<Status(const HttpResponse& head)>;
using BodySink = std::function<Status(std::span<const std::byte>)>;
// Fills `out` from `offset` of the body to send.
using BodySource = std::function<Status(uint64_t offset, std::span<std::byte> out)>;

// What to send, and what to do with the body that comes back.
struct HttpRequest {
  std::string method;
  Url url;
  std::vector<std::string> headers{};  // "Name: value"
  BodySource body{};
  uint64_t body_size = 0;
  size_t max_body_bytes = 64U << 10;
  BodyFilter filter{};  // only with `sink`
  BodySink sink{};      // takes a 2xx body
  // A body of this length is taken as it comes, even if it is said to be gzip: stores call a
  // compressed layer itself "encoded". All other encoded bodies are decoded.
  std::optional<uint64_t> plain_size{};
  std::stop_token stop{};
  std::function<void(uint64_t sent)> on_sent{};
};

// Thread-safe. Keeps connections open for later requests to the same server.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  // Sends the request and returns the response, whatever its status.
  //
  // The TLS settings are those of `endpoint` if the request goes to its origin, else those that
  // certs_directory has for the host of the URL: a registry may redirect us to another server, but
  // that server does not profit from what the operator allows the registry.
  //
  // kUnavailable: no connection, or it broke. kDeadlineExceeded: slower than the limits for a
  // stall. kFailedPrecondition: TLS failed, or one of its files is missing or wrong.
  // kResourceExhausted: the body is above the bound. kCancelled: `stop` was asked for. Errors of
  // `filter`, `sink` and `body` are returned as they are.
  Result<HttpResponse> Send(const HttpRequest& request, const Endpoint& endpoint);

 private:
  class Pool;
  Result<TlsSettings> SettingsFor(const HttpRequest& request, const Endpoint& endpoint) const;
  Result<HttpResponse> Perform(const HttpRequest& request, const TlsSettings& tls,
                               std::chrono::milliseconds connect_timeout, bool& decode);
  HttpOptions options_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace locket::registry
