// One HTTPS exchange a connection, over whatever a Dialer gives, within one deadline.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "attest/dialer.h"
#include "attest/http_message.h"
#include "base/result.h"

namespace locket::attest {

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

class HttpsClient {
 public:
  static Result<HttpsClient> Create(HttpsOptions options);
  HttpsClient(HttpsClient&&) noexcept;
  HttpsClient& operator=(HttpsClient&&) = delete;
  ~HttpsClient();

  // Any status is an answer. kUnavailable: not reached, or the connection broke.
  // kDeadlineExceeded: no whole answer in time. kPermissionDenied: the server is not who it should
  // be. kInvalidArgument: not an HTTP answer.
  Result<HttpResponse> Exchange(const HttpRequest& request) const;

 private:
  struct Impl;
  explicit HttpsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::attest
