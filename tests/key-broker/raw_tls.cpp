#include "tests/key-broker/raw_tls.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>

namespace locket::key_broker {
namespace {

SSL_CTX* Context() {
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  static SSL_CTX* const context = (::signal(SIGPIPE, SIG_IGN), SSL_CTX_new(TLS_client_method()));
  return context;
}

}  // namespace

struct RawTls::Impl {
  ~Impl() { SSL_free(ssl); }
  UniqueFd fd{};
  SSL* ssl = nullptr;
  bool up = false;
};

RawTls::RawTls(int port, bool handshake) : impl_(std::make_unique<Impl>()) {
  impl_->fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval ten{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(impl_->fd.get(), SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof ten);
  ::setsockopt(impl_->fd.get(), SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(impl_->fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return;
  }
  if (!handshake) return;
  impl_->ssl = SSL_new(Context());
  SSL_set_fd(impl_->ssl, impl_->fd.get());
  impl_->up = SSL_connect(impl_->ssl) == 1;
  ERR_clear_error();
}
RawTls::RawTls(RawTls&&) noexcept = default;
RawTls& RawTls::operator=(RawTls&&) noexcept = default;
RawTls::~RawTls() = default;

bool RawTls::Send(std::string_view bytes) {
  if (!impl_->up) return false;
  const bool sent =
      SSL_write(impl_->ssl, bytes.data(), static_cast<int>(bytes.size())) == int(bytes.size());
  ERR_clear_error();
  return sent;
}

std::string RawTls::Receive() {
  std::array<char, 4096> buffer{};
  const int got =
      impl_->up ? SSL_read(impl_->ssl, buffer.data(), static_cast<int>(buffer.size())) : 0;
  ERR_clear_error();
  return {buffer.data(), static_cast<size_t>(std::max(got, 0))};
}

std::string RawTls::ReceiveAll(std::chrono::milliseconds timeout) {
  std::string all;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string piece = Receive();
    if (piece.empty()) break;
    all += piece;
  }
  return all;
}

bool RawTls::Ended() const { return WaitForEnd(std::chrono::milliseconds(0)); }

bool RawTls::WaitForEnd(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(deadline - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0)));
    pollfd polled{.fd = impl_->fd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&polled, 1, static_cast<int>(left.count())) <= 0) return false;
    std::array<char, 4096> buffer{};
    if (::recv(impl_->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) return true;
  }
}

}  // namespace locket::key_broker
