#include "tests/attest/scripted_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "base/unique_fd.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)>;

ContextPtr MakeContext(const std::string& certificate) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  ContextPtr context(SSL_CTX_new(TLS_server_method()), &::SSL_CTX_free);
  const auto& tls = TestTlsDirectory();
  SSL_CTX_use_certificate_chain_file(context.get(), (tls / certificate).c_str());
  SSL_CTX_use_PrivateKey_file(context.get(), (tls / "server.key").c_str(), SSL_FILETYPE_PEM);
  return context;
}

// Head and announced body.
bool IsWhole(const std::string& request) {
  const size_t end = request.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string length = "Content-Length: ";
  const size_t at = request.find(length);
  const size_t body = at == std::string::npos ? 0 : std::stoul(request.substr(at + length.size()));
  return request.size() >= end + 4 + body;
}

}  // namespace

std::string HttpAnswer(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void ScriptedServer::Serve(int fd, size_t number) {
  const UniqueFd owned(fd);
  const ContextPtr context = MakeContext(certificate_);
  const std::unique_ptr<SSL, decltype(&::SSL_free)> ssl(SSL_new(context.get()), &::SSL_free);
  SSL_set_fd(ssl.get(), fd);
  std::string request;
  if (SSL_accept(ssl.get()) == 1 && number < answers_.size()) {
    std::array<char, 4096> buffer{};
    int got = 1;
    while (got > 0 && !IsWhole(request)) {
      got = SSL_read(ssl.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (got > 0) request.append(buffer.data(), static_cast<size_t>(got));
    }
    {
      // Before the answer, so that whoever has that finds the request.
      const MutexLock lock(mutex_);
      requests_[number] = request;
    }
    SSL_write(ssl.get(), answers_[number].data(), static_cast<int>(answers_[number].size()));
  }
  SSL_shutdown(ssl.get());
  ERR_clear_error();
}

Dialer ScriptedServer::Dial() {
  return [this](const std::string&, std::chrono::milliseconds) -> Result<UniqueFd> {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return Error::FromErrno(errno, "socketpair");
    }
    const MutexLock lock(mutex_);
    const size_t number = requests_.size();
    requests_.emplace_back();
    threads_.emplace_back([this, fd = ends[1], number] { Serve(fd, number); });
    return UniqueFd(ends[0]);
  };
}

std::vector<std::string> ScriptedServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

ScriptedServer::~ScriptedServer() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace locket::attest
