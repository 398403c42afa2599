// One HTTPS exchange a connection, over whatever a Dialer gives, within one deadline.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "attest/http/dialer.h"
#include "attest/http/http_message.h"
#include "base/result.h"

namespace locket::attest {

// Whether a server's certificate may be outside its dates. A guest ignores them: its clock is set
// by the host, which could otherwise choose when a certificate is valid.
enum class CertificateTimes { kCheck, kIgnore };

struct HttpsOptions {
  std::string url;     // https://host[:port]
  std::string ca_pem;  // the only roots trusted; the system's are never loaded
  Dialer dial;
  std::chrono::milliseconds timeout;
  CertificateTimes times;
};

struct HttpRequest {
  std::string method;
  std::string path;  // begins with '/'
  std::vector<std::pair<std::string, std::string>> headers{};
  std::span<const std::byte> body{};  // not copied as a whole
};

// Makes a connection for each exchange: TLS 1.2 or later, the server's name checked against the
// URL, no client certificate, no redirects. Any number of threads may exchange at once if the
// dialer allows it.
class HttpsClient {
 public:
  // kInvalidArgument: a URL that is not https://host[:port], or no certificate in `ca_pem`.
  static Result<HttpsClient> Create(HttpsOptions options);
  HttpsClient(HttpsClient&&) noexcept;
  HttpsClient& operator=(HttpsClient&&) = delete;
  ~HttpsClient();

  // Sends `request` and returns the whole answer, whatever its status is.
  // kUnavailable: not reached, or the connection broke; also one that ended without TLS's end mark,
  // because anybody could have cut the answer short. kDeadlineExceeded: no whole answer within
  // `timeout`. kPermissionDenied: the server's certificate is not for this host under this CA;
  // nothing was sent. kInvalidArgument: the answer is not HTTP or above a limit. Messages begin
  // with the URL.
  Result<HttpResponse> Exchange(const HttpRequest& request) const;

 private:
  struct Impl;
  explicit HttpsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
