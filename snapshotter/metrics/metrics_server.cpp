#include "snapshotter/metrics/metrics_server.h"

#include <fcntl.h>
#include <microhttpd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace locket::snapshotter {
namespace {

constexpr unsigned kMaxConnections = 16;  // further ones wait in the socket's queue
constexpr unsigned kTimeoutSeconds = 10;  // without a byte
constexpr size_t kMaxHeadBytes = 16U << 10;
// The text format of Prometheus.
constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

struct StopDaemon {
  void operator()(MHD_Daemon* daemon) const { ::MHD_stop_daemon(daemon); }
};
struct DestroyResponse {
  void operator()(MHD_Response* response) const { ::MHD_destroy_response(response); }
};

MHD_Result Send(MHD_Connection* connection, unsigned status, const std::string& text) {
  // The library copies the bytes, which it takes as not const.
  const std::unique_ptr<MHD_Response, DestroyResponse> response(::MHD_create_response_from_buffer(
      text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, kContentType);
  return ::MHD_queue_response(connection, status, response.get());
}

class HttpServer final : public MetricsServer {
 public:
  HttpServer(Listener listener, std::function<std::string()> text)
      : listener_(std::move(listener)), text_(std::move(text)) {}

  Status Start() {
    // The library closes the socket it is given, perhaps also when it fails.
    const int fd = ::fcntl(listener_.fd(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return Error::FromErrno(errno, "duplicate the socket");
    daemon_.reset(
        ::MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, /*port=*/0, nullptr, nullptr, &Answer,
                           this, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                           kMaxConnections, MHD_OPTION_CONNECTION_TIMEOUT, kTimeoutSeconds,
                           MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMaxHeadBytes, MHD_OPTION_END));
    if (!daemon_) return Error::FromErrno(errno, "start the HTTP server");
    return Ok();
  }

 private:
  // Called by the library's thread.
  static MHD_Result Answer(void* self, MHD_Connection* connection, const char* url,
                           const char* method, const char* /*version*/, const char* /*body*/,
                           size_t* /*body_size*/, void** /*state*/) noexcept {
    if (std::string_view(method) != MHD_HTTP_METHOD_GET) {
      return Send(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    }
    if (std::string_view(url) != "/metrics") {
      return Send(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
    }
    return Send(connection, MHD_HTTP_OK, static_cast<HttpServer*>(self)->text_());
  }

  const Listener listener_;
  const std::function<std::string()> text_;
  std::unique_ptr<MHD_Daemon, StopDaemon> daemon_;  // last: its thread uses the rest
};

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(Listener listener,
                                                            std::function<std::string()> text) {
  auto server = std::make_unique<HttpServer>(std::move(listener), std::move(text));
  LOCKET_TRY(server->Start());
  return std::unique_ptr<MetricsServer>(std::move(server));
}

}  // namespace locket::snapshotter
