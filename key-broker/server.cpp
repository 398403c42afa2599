#include "key-broker/server.h"

#include <httplib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "attest/kbs_messages.h"
#include "base/encoding.h"
#include "base/log.h"

namespace locket::key_broker {
namespace {

constexpr size_t kMaxPathBytes = 1024;  // longer ones are no path of ours
constexpr auto kJson = "application/json";

std::string OpenSslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}

// Without the check at its end a key of another kind than the certificate's is taken, and every
// handshake fails.
Status LoadCertificate(SSL_CTX& context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(&context, certificate.c_str()) != 1) {
    return Error(ErrorCode::kInvalidArgument,
                 "tls: certificate '" + certificate + "': " + OpenSslReason());
  }
  if (SSL_CTX_use_PrivateKey_file(&context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(&context) != 1) {
    return Error(ErrorCode::kInvalidArgument, "tls: key '" + key + "': " + OpenSslReason());
  }
  return Ok();
}

void Send(const Response& answer, httplib::Response& out) {
  out.status = answer.status;
  out.set_content(answer.body, kJson);
  if (!answer.set_cookie.empty()) out.set_header("Set-Cookie", answer.set_cookie);
}

void SendProblem(int status, std::string_view name, std::string detail, httplib::Response& out) {
  Send({.status = status,
        .body = attest::EncodeProblem({.name = std::string(name), .detail = std::move(detail)})},
       out);
}

Request RequestOf(const httplib::Request& in) {
  return {.method = in.method,
          .path = in.path,
          .authorization = in.get_header_value("Authorization"),
          .cookie = in.get_header_value("Cookie"),
          .peer = in.remote_addr};
}

// A string that is wiped. Grows by itself, so that no copy is left behind by a reallocation.
class SecretBuffer {
 public:
  explicit SecretBuffer(size_t limit) : limit_(limit) {}
  bool Append(const char* data, size_t size) {
    if (size > limit_ - size_) return false;
    if (size_ + size > bytes_->Reveal().size()) {
      auto larger = std::make_unique<Secret>(std::min(limit_, 2 * (size_ + size)));
      std::copy_n(bytes_->Reveal().begin(), size_, larger->Reveal().begin());
      bytes_ = std::move(larger);
    }
    std::memcpy(bytes_->Reveal().data() + size_, data, size);
    size_ += size;
    return true;
  }
  Secret Take() const {
    Secret out(size_);
    std::copy_n(bytes_->Reveal().begin(), size_, out.Reveal().begin());
    return out;
  }

 private:
  size_t limit_;
  size_t size_ = 0;
  std::unique_ptr<Secret> bytes_ = std::make_unique<Secret>(0);
};

}  // namespace

struct Server::Impl {
  Impl(const ServerOptions& server_options, Broker& handler)
      : options(server_options),
        broker(handler),
        http([this](SSL_CTX& context) { return SetUpTls(context); }) {}

  bool SetUpTls(SSL_CTX& context) {
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    tls = LoadCertificate(context, options.certificate_file, options.key_file);
    return tls.ok();
  }

  // cpp-httplib's own limit does not count chunked bodies, so they are counted here.
  void HandleWithBody(const httplib::Request& in, httplib::Response& out,
                      const httplib::ContentReader& read) {
    SecretBuffer body(options.max_body_bytes);
    bool too_large = false;
    const bool whole = read([&](const char* data, size_t size) {
      too_large = !body.Append(data, size);
      return !too_large;
    });
    if (too_large || out.status == 413) return TooLarge(out);
    if (!whole) {
      return SendProblem(400, attest::kInvalidRequest, "the body did not arrive in full", out);
    }
    Request request = RequestOf(in);
    Request with_body{.method = std::move(request.method),
                      .path = std::move(request.path),
                      .authorization = std::move(request.authorization),
                      .cookie = std::move(request.cookie),
                      .body = body.Take(),
                      .peer = std::move(request.peer)};
    Send(broker.Handle(with_body), out);
  }

  void TooLarge(httplib::Response& out) const {
    SendProblem(
        413, attest::kInvalidRequest,
        "the body is above the limit of " + std::to_string(options.max_body_bytes) + " bytes", out);
  }

  // Before any pattern is matched: std::regex recurses over the path, and other methods' bodies
  // would be read without a limit.
  httplib::Server::HandlerResponse Screen(const httplib::Request& in,
                                          httplib::Response& out) const {
    using HandlerResponse = httplib::Server::HandlerResponse;
    const bool method = in.method == "GET" || in.method == "POST" || in.method == "DELETE";
    if (!method || in.path.size() > kMaxPathBytes) {
      SendProblem(404, attest::kInvalidRequestPath, "no such path or method", out);
      return HandlerResponse::Handled;
    }
    if (in.is_multipart_form_data()) {
      SendProblem(400, attest::kInvalidRequest, "forms are not understood", out);
      return HandlerResponse::Handled;
    }
    return HandlerResponse::Unhandled;
  }

  void SetUpRoutes() {
    const auto with_body = [this](const httplib::Request& in, httplib::Response& out,
                                  const httplib::ContentReader& read) {
      HandleWithBody(in, out, read);
    };
    http.set_pre_routing_handler(
        [this](const httplib::Request& in, httplib::Response& out) { return Screen(in, out); });
    http.Get(".*", [this](const httplib::Request& in, httplib::Response& out) {
      Send(broker.Handle(RequestOf(in)), out);
    });
    http.Post(".*", with_body);
    http.Delete(".*", with_body);
    http.set_exception_handler(
        [](const httplib::Request&, httplib::Response& out, std::exception_ptr) {
          log::Error("a request ended in an exception");
          SendProblem(500, attest::kInternalError, "the broker failed; its log says why", out);
        });
    // What cpp-httplib refuses by itself has no body yet.
    http.set_error_handler([this](const httplib::Request&, httplib::Response& out) {
      if (!out.body.empty()) return;
      if (out.status == 413) return TooLarge(out);
      SendProblem(out.status, attest::kInvalidRequest, "the request was not understood", out);
    });
  }

  void SetUpLimits() {
    http.set_payload_max_length(options.max_body_bytes);
    http.set_read_timeout(options.idle_timeout);
    http.set_write_timeout(options.idle_timeout);
    // One request a connection: a guest needs three in all, and idle ones would hold threads.
    http.set_keep_alive_max_count(1);
    http.set_keep_alive_timeout(static_cast<time_t>(options.idle_timeout.count()));
    http.new_task_queue = [threads = options.threads] { return new httplib::ThreadPool(threads); };
  }

  Status Listen() {
    LOCKET_TRY(tls);
    SetUpRoutes();
    SetUpLimits();
    // Only then may a second broker not take the port as well.
    http.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    const std::string where = options.host + ":" + std::to_string(options.port);
    port = options.port;
    const bool bound = options.port == 0 ? (port = http.bind_to_any_port(options.host)) > 0
                                         : http.bind_to_port(options.host, options.port);
    if (!bound) {
      return Error(ErrorCode::kFailedPrecondition,
                   "listen on " + where + ": the address is in use or not this machine's");
    }
    thread = std::thread([this] { http.listen_after_bind(); });
    return Ok();
  }

  ~Impl() {
    if (!thread.joinable()) return;
    // stop() does nothing before the thread has begun, which is a matter of moments.
    while (!http.is_running()) std::this_thread::yield();
    http.stop();
    thread.join();
  }

  const ServerOptions options;
  Broker& broker;
  Status tls = Ok();  // set by SetUpTls
  httplib::SSLServer http;
  int port = 0;
  std::thread thread;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Status Server::CheckCertificate(const std::string& certificate_file, const std::string& key_file) {
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context(
      ::SSL_CTX_new(::TLS_server_method()), &::SSL_CTX_free);
  if (context == nullptr) return Error(ErrorCode::kInternal, "tls: " + OpenSslReason());
  return LoadCertificate(*context, certificate_file, key_file);
}

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Broker& broker) {
  auto impl = std::make_unique<Impl>(options, broker);
  LOCKET_TRY(impl->Listen());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const { return impl_->port; }

}  // namespace locket::key_broker
