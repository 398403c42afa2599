#include "key-broker/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <charconv>
#include <thread>

#include "attest/kbs/kbs_messages.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/listener.h"
#include "base/log.h"
#include "key-broker/body_buffer.h"

namespace locket::key_broker {
namespace {

constexpr size_t kMaxPathBytes = 1024;           // longer ones are no path of ours
constexpr size_t kMaxPemBytes = 1U << 20;        // certificate with chain, key
constexpr size_t kMaxDiscardedBytes = 1U << 20;  // read only so that the sender sees the answer
constexpr std::chrono::milliseconds kTick{200};  // how late a connection's end may be
constexpr const char* kTlsPriorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

std::string OpenSslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}

// libmicrohttpd says nothing of what is wrong with a certificate or a key; OpenSSL does.
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

Response Problem(int status, std::string_view name, std::string detail) {
  return {.status = status,
          .body = attest::EncodeProblem({.name = std::string(name), .detail = std::move(detail)})};
}

std::string HeaderOf(MHD_Connection* connection, const char* name) {
  const char* value = ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

int SocketOf(MHD_Connection* connection) {
  return ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

std::string PeerOf(MHD_Connection* connection) {
  const sockaddr* address =
      ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  if (address->sa_family == AF_INET) {
    bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  } else if (address->sa_family == AF_INET6) {
    bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  }
  if (bytes == nullptr ||
      ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) == nullptr) {
    return "unknown";
  }
  return text.data();
}

// What a body will have, if the head says so. The library has checked that it is a number.
size_t AnnouncedBytes(MHD_Connection* connection) {
  const std::string text = HeaderOf(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
  size_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

// One request under way.
struct Exchange {
  Exchange(Request&& request, size_t limit, MemoryBudget& memory)
      : head(std::move(request)), body(limit, memory), answer_share(memory) {}
  Request head;
  std::optional<Response> refusal{};  // the body is discarded
  size_t discarded = 0;
  BodyBuffer body;
  BudgetShare answer_share;
};

struct StopDaemon {
  void operator()(MHD_Daemon* daemon) const { ::MHD_stop_daemon(daemon); }
};
struct DestroyResponse {
  void operator()(MHD_Response* response) const { ::MHD_destroy_response(response); }
};

}  // namespace

struct Server::Impl {
  Impl(const ServerOptions& server_options, Broker& handler, Listener listening)
      : options(server_options),
        broker(handler),
        listener(std::move(listening)),
        connections(options.connections, clock) {}

  ~Impl() {
    if (!daemon) return;
    const int socket = ::MHD_quiesce_daemon(daemon.get());
    connections.Stop();
    daemon.reset();
    const UniqueFd closed_after_the_daemon(socket);
    stopping = true;
    timer.join();
  }

  Status StartDaemon() {
    LOCKET_TRY(CheckCertificate(options.certificate_file, options.key_file));
    LOCKET_TRY_ASSIGN(const auto certificate, ReadFile(options.certificate_file, kMaxPemBytes));
    LOCKET_TRY_ASSIGN(const Secret key, ReadKey());
    // The library closes the socket it is given.
    const int fd = ::fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return Error::FromErrno(errno, "duplicate the socket");
    const auto sockets =
        static_cast<unsigned>(kSocketsPerConnection * options.connections.max_connections);
    const auto seconds =
        std::chrono::ceil<std::chrono::seconds>(options.connections.request_timeout);
    daemon.reset(::MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ITC, /*port=*/0, nullptr, nullptr,
        &OnRequest, this, MHD_OPTION_LISTEN_SOCKET, fd,  //
        MHD_OPTION_HTTPS_MEM_CERT, certificate.c_str(),  //
        MHD_OPTION_HTTPS_MEM_KEY, reinterpret_cast<const char*>(key.Reveal().data()),
        MHD_OPTION_HTTPS_PRIORITIES, kTlsPriorities,                //
        MHD_OPTION_CONNECTION_LIMIT, sockets,                       //
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, size_t{kMaxHeadBytes},  //
        MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(seconds.count()),
        MHD_OPTION_THREAD_POOL_SIZE, static_cast<unsigned>(options.threads),
        MHD_OPTION_UNESCAPE_CALLBACK, &KeepEscapes, nullptr,  //
        MHD_OPTION_NOTIFY_CONNECTION, &OnConnection, this,    //
        MHD_OPTION_NOTIFY_COMPLETED, &OnCompleted, this, MHD_OPTION_END));
    if (!daemon) return Error::FromErrno(errno, "start the HTTPS server");
    timer = std::thread([this] { EndLateOnes(); });
    return Ok();
  }

  // With the zero byte that the library looks for.
  Result<Secret> ReadKey() const {
    LOCKET_TRY_ASSIGN(auto text, ReadFile(options.key_file, kMaxPemBytes));
    Secret key(text.size() + 1);
    std::ranges::copy(AsBytes(text), key.Reveal().begin());
    ::explicit_bzero(text.data(), text.size());
    return key;
  }

  void EndLateOnes() {
    while (!stopping) {
      std::this_thread::sleep_for(kTick);
      connections.EndLate();
    }
  }

  // Paths of ours have no escapes, so one that has is none of ours.
  static size_t KeepEscapes(void* /*self*/, MHD_Connection* /*connection*/, char* text) noexcept {
    return std::string_view(text).size();
  }

  static void OnConnection(void* self, MHD_Connection* connection, void** /*state*/,
                           MHD_ConnectionNotificationCode event) noexcept {
    auto& connections = static_cast<Impl*>(self)->connections;
    const int fd = SocketOf(connection);
    if (event == MHD_CONNECTION_NOTIFY_STARTED) {
      connections.Add(fd, PeerOf(connection));
    } else {
      connections.Remove(fd);
    }
  }

  static void OnCompleted(void* /*self*/, MHD_Connection* /*connection*/, void** state,
                          MHD_RequestTerminationCode /*how*/) noexcept {
    const std::unique_ptr<Exchange> ends(static_cast<Exchange*>(*state));
    *state = nullptr;
  }

  // Called once with the head, then with each piece of the body, then without any.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* path,
                              const char* method, const char* /*version*/, const char* data,
                              size_t* size, void** state) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    auto* exchange = static_cast<Exchange*>(*state);
    if (exchange == nullptr) return impl.Begin(connection, method, path, state);
    if (*size == 0) return impl.Finish(connection, *exchange);
    const bool taken = impl.TakeBody(*exchange, data, *size);
    *size = 0;
    return taken ? MHD_YES : MHD_NO;  // MHD_NO hangs up
  }

  MHD_Result Begin(MHD_Connection* connection, const char* method, const char* path, void** state) {
    connections.Begin(SocketOf(connection));
    Request head{.method = method,
                 .path = path,
                 .authorization = HeaderOf(connection, MHD_HTTP_HEADER_AUTHORIZATION),
                 .cookie = HeaderOf(connection, MHD_HTTP_HEADER_COOKIE),
                 .peer = PeerOf(connection)};
    Admission admission = Screen(head);
    const size_t announced = AnnouncedBytes(connection);
    if (!admission.refusal && announced > admission.max_body_bytes) {
      admission.refusal = TooLarge(admission.max_body_bytes);
    }
    auto exchange = std::make_unique<Exchange>(std::move(head), admission.max_body_bytes, budget);
    exchange->refusal = std::move(admission.refusal);
    if (exchange->refusal && announced > kMaxDiscardedBytes) {
      return Send(connection, *exchange->refusal, *exchange);
    }
    *state = exchange.release();
    return MHD_YES;
  }

  Admission Screen(const Request& head) const {
    const bool method = head.method == "GET" || head.method == "POST" || head.method == "DELETE";
    if (!method || head.path.size() > kMaxPathBytes) {
      return {.refusal = Problem(404, attest::kInvalidRequestPath, "no such path or method")};
    }
    return broker.Admit(head, options.max_body_bytes);
  }

  static Response TooLarge(size_t limit) {
    return Problem(413, attest::kInvalidRequest,
                   "the body is above the limit of " + std::to_string(limit) + " bytes");
  }

  static bool TakeBody(Exchange& exchange, const char* data, size_t size) {
    if (!exchange.refusal) return exchange.body.Append(data, size);
    exchange.discarded += size;
    return exchange.discarded <= kMaxDiscardedBytes;
  }

  MHD_Result Finish(MHD_Connection* connection, Exchange& exchange) {
    const int fd = SocketOf(connection);
    if (!connections.Handle(fd)) return MHD_NO;
    const Response answer = exchange.refusal ? *exchange.refusal : broker.Handle(Whole(exchange));
    connections.Answer(fd);
    return Send(connection, answer, exchange);
  }

  static Request Whole(Exchange& exchange) {
    Request& head = exchange.head;
    return {.method = std::move(head.method),
            .path = std::move(head.path),
            .authorization = std::move(head.authorization),
            .cookie = std::move(head.cookie),
            .body = exchange.body.Take(),
            .peer = std::move(head.peer)};
  }

  static MHD_Result Send(MHD_Connection* connection, const Response& answer, Exchange& exchange) {
    if (!exchange.answer_share.Grow(answer.body.size())) {
      log::Warning("too many large answers are under way: one is not sent");
      return MHD_NO;
    }
    // The library copies the bytes, which it takes as not const.
    const std::unique_ptr<MHD_Response, DestroyResponse> response(::MHD_create_response_from_buffer(
        answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY));
    if (!response) return MHD_NO;
    ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    // A guest needs three requests in all, and one that waits would hold a place.
    ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONNECTION, "close");
    if (!answer.set_cookie.empty()) {
      ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_SET_COOKIE,
                                answer.set_cookie.c_str());
    }
    return ::MHD_queue_response(connection, static_cast<unsigned>(answer.status), response.get());
  }

  const ServerOptions options;
  Broker& broker;
  const Listener listener;
  const SystemClock clock{};
  Connections connections;
  MemoryBudget budget{kMemoryBudget};
  std::atomic<bool> stopping = false;
  std::unique_ptr<MHD_Daemon, StopDaemon> daemon{};
  std::thread timer{};
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
  LOCKET_TRY_ASSIGN(auto listener,
                    Listener::ListenTcp(options.host, static_cast<uint16_t>(options.port))
                        .While("listen on " + options.host + ":" + std::to_string(options.port)));
  auto impl = std::make_unique<Impl>(options, broker, std::move(listener));
  LOCKET_TRY(impl->StartDaemon());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const { return impl_->listener.port(); }

}  // namespace locket::key_broker
