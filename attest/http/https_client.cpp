#include "attest/http/https_client.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "attest/common/openssl_internal.h"
#include "base/encoding.h"

namespace locket::attest {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<SSL_free>>;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr size_t kRecordBytes = 16384;

bool IsIpAddress(const std::string& host) {
  std::array<unsigned char, 16> out{};
  return ::inet_pton(AF_INET, host.c_str(), out.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), out.data()) == 1;
}

Result<std::chrono::milliseconds> Left(SteadyTime deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) return Error(ErrorCode::kDeadlineExceeded, "no whole answer in time");
  return left;
}

// TLS over a socket. The bytes go through memory, so that SIGPIPE, deadlines and partial writes
// are ours to handle.
class TlsStream {
 public:
  TlsStream(UniqueFd fd, SslPtr ssl, SteadyTime deadline)
      : fd_(std::move(fd)), ssl_(std::move(ssl)), deadline_(deadline) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }

  Status Handshake() {
    SSL_set_connect_state(ssl_.get());
    for (;;) {
      const int done = SSL_do_handshake(ssl_.get());
      LOCKET_TRY(Flush());
      if (done == 1) return Ok();
      if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) return HandshakeError();
      LOCKET_TRY_ASSIGN(const bool more, Fill());
      if (!more) return Error(ErrorCode::kUnavailable, "TLS: the other side hung up");
    }
  }

  Status Write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t part = std::min(bytes.size(), kRecordBytes);
      const int done = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(part));
      if (done <= 0) return Broken();
      LOCKET_TRY(Flush());
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
    return Ok();
  }

  // Appends what is there. False: the other side said that this is all.
  Result<bool> Read(std::string& out) {
    std::array<char, kRecordBytes> buffer{};
    for (;;) {
      const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (got > 0) {
        out.append(buffer.data(), static_cast<size_t>(got));
        return true;
      }
      const int reason = SSL_get_error(ssl_.get(), got);
      if (reason == SSL_ERROR_ZERO_RETURN) return false;
      if (reason != SSL_ERROR_WANT_READ) return Broken();
      LOCKET_TRY(Flush());
      LOCKET_TRY_ASSIGN(const bool more, Fill());
      // Without TLS's own end mark anybody could have cut the answer short.
      if (!more) return Error(ErrorCode::kUnavailable, "the connection was cut");
    }
  }

 private:
  Status Wait(int16_t events) const {
    for (;;) {
      LOCKET_TRY_ASSIGN(const auto left, Left(deadline_));
      pollfd poll_fd{.fd = fd_.get(), .events = events, .revents = 0};
      const int ready =
          ::poll(&poll_fd, 1, static_cast<int>(std::min<int64_t>(left.count(), 60000)));
      if (ready > 0) return Ok();
      if (ready < 0 && errno != EINTR) return Error::FromErrno(errno, "poll");
    }
  }

  Status Flush() {
    char* data = nullptr;
    BIO* bio = SSL_get_wbio(ssl_.get());
    for (;;) {
      const long pending = BIO_get_mem_data(bio, &data);
      if (pending <= 0) return Ok();
      LOCKET_TRY(Wait(POLLOUT));
      const ssize_t sent =
          ::send(fd_.get(), data, static_cast<size_t>(pending), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (sent < 0) return Cut(errno);
      std::array<char, kRecordBytes> sink{};
      for (ssize_t left = sent; left > 0;) {
        left -= BIO_read(bio, sink.data(),
                         static_cast<int>(std::min<ssize_t>(left, ssize_t{kRecordBytes})));
      }
    }
  }

  Result<bool> Fill() {
    std::array<char, kRecordBytes> buffer{};
    for (;;) {
      LOCKET_TRY(Wait(POLLIN));
      const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got < 0) return Cut(errno);
      if (got == 0) return false;
      BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(got));
      return true;
    }
  }

  static Error Cut(int saved_errno) {
    return {ErrorCode::kUnavailable,
            Error::FromErrno(saved_errno, "the connection was cut").message()};
  }

  static Error Broken() { return {ErrorCode::kUnavailable, "TLS: " + OpenSslReason()}; }

  Error HandshakeError() const {
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified == X509_V_OK) return Broken();
    ERR_clear_error();
    return {ErrorCode::kPermissionDenied, std::string("TLS: the certificate is refused: ") +
                                              X509_verify_cert_error_string(verified)};
  }

  UniqueFd fd_;
  SslPtr ssl_;
  SteadyTime deadline_;
};

Result<ContextPtr> MakeContext(const HttpsOptions& options) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return OpenSslError("TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (options.times == CertificateTimes::kIgnore) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_NO_CHECK_TIME);
  }
  const BioPtr bio = ReadOnlyBio(options.ca_pem);
  int count = 0;
  for (;; ++count) {
    const X509Ptr ca(PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr));
    if (ca == nullptr) break;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get());
  }
  const std::string reason = OpenSslReason();
  if (count == 0) {
    return Error(ErrorCode::kInvalidArgument, "CA: no certificate in PEM form (" + reason + ")");
  }
  return context;
}

Result<SslPtr> MakeSession(SSL_CTX* context, const std::string& host) {
  SslPtr ssl(SSL_new(context));
  if (ssl == nullptr) return OpenSslError("TLS");
  SSL_set_hostflags(ssl.get(),
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool named =
      IsIpAddress(host)
          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) == 1
          : SSL_set1_host(ssl.get(), host.c_str()) == 1 &&
                SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         const_cast<char*>(host.c_str())) == 1;
  if (!named) return OpenSslError("TLS: host '" + host + "'");
  return ssl;
}

std::string Head(const HttpRequest& request, const HttpUrl& url) {
  std::string head = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + url.host_port +
                     "\r\nConnection: close\r\nAccept: application/json\r\n";
  for (const auto& [name, value] : request.headers) head += name + ": " + value + "\r\n";
  if (request.method != "GET") {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return head + "\r\n";
}

}  // namespace

struct HttpsClient::Impl {
  HttpsOptions options;
  HttpUrl url;
  ContextPtr context;

  Result<HttpResponse> Exchange(const HttpRequest& request) const {
    const SteadyTime deadline = std::chrono::steady_clock::now() + options.timeout;
    LOCKET_TRY_ASSIGN(auto fd, options.dial(url.host_port, options.timeout));
    LOCKET_TRY_ASSIGN(auto ssl, MakeSession(context.get(), url.host));
    TlsStream stream(std::move(fd), std::move(ssl), deadline);
    LOCKET_TRY(stream.Handshake());
    LOCKET_TRY(stream.Write(AsBytes(Head(request, url))));
    LOCKET_TRY(stream.Write(request.body));
    std::string received;
    for (;;) {
      LOCKET_TRY_ASSIGN(const bool more, stream.Read(received));
      LOCKET_TRY_ASSIGN(auto response, ParseHttpResponse(received, /*ended=*/!more));
      if (response) return std::move(*response);
    }
  }
};

HttpsClient::HttpsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsClient::HttpsClient(HttpsClient&&) noexcept = default;
HttpsClient::~HttpsClient() = default;

Result<HttpsClient> HttpsClient::Create(HttpsOptions options) {
  LOCKET_TRY_ASSIGN(auto url, ParseHttpsUrl(options.url));
  LOCKET_TRY_ASSIGN(auto context, MakeContext(options));
  return HttpsClient(std::make_unique<Impl>(
      Impl{.options = std::move(options), .url = std::move(url), .context = std::move(context)}));
}

Result<HttpResponse> HttpsClient::Exchange(const HttpRequest& request) const {
  return impl_->Exchange(request).While("broker '" + impl_->options.url + "'");
}

}  // namespace locket::attest
