#include "tests/registry/scripted_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace locket::registry {
namespace {

// The head and, by its Content-Length, the body. Nothing: the client went away.
std::optional<SeenRequest> Receive(int fd) {
  std::string data;
  char buffer[65536];
  size_t end = std::string::npos;
  size_t wanted = 0;
  SeenRequest request;
  while (end == std::string::npos || data.size() < end + 4 + wanted) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return {};
    data.append(buffer, static_cast<size_t>(n));
    if (end != std::string::npos || (end = data.find("\r\n\r\n")) == std::string::npos) continue;
    const size_t space = data.find(' ');
    request.method = data.substr(0, space);
    request.target = data.substr(space + 1, data.find(' ', space + 1) - space - 1);
    for (size_t at = data.find("\r\n") + 2; at < end;) {
      const size_t line_end = data.find("\r\n", at);
      const size_t colon = data.find(':', at);
      std::string name = data.substr(at, colon - at);
      std::ranges::transform(name, name.begin(), ::tolower);
      request.headers[name] = data.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    if (request.headers.contains("content-length")) {
      wanted = std::stoul(request.headers["content-length"]);
    }
  }
  request.body = data.substr(end + 4);
  return request;
}

std::string Head(const Reply& reply) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\nConnection: close\r\n";
  for (const auto& header : reply.headers) head += header + "\r\n";
  const long length =
      reply.content_length == -1 ? static_cast<long>(reply.body.size()) : reply.content_length;
  if (length >= 0) head += "Content-Length: " + std::to_string(length) + "\r\n";
  return head + "\r\n";
}

void SendAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

}  // namespace

ScriptedServer::ScriptedServer(Handler handler) : handler_(std::move(handler)) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener_.get(), raw, size), 0);
  EXPECT_EQ(::listen(listener_.get(), 16), 0);
  EXPECT_EQ(::getsockname(listener_.get(), raw, &size), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

std::vector<SeenRequest> ScriptedServer::seen() {
  const std::lock_guard lock(mutex_);
  return seen_;
}

// One connection after the other: the client has one request at a time.
void ScriptedServer::Serve() {
  while (true) {
    const UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
    if (!fd.valid()) return;
    Answer(fd.get());
  }
}

void ScriptedServer::Answer(int fd) {
  const auto request = Receive(fd);
  if (!request) return;
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(*request);
  }
  const Reply reply = handler_(*request);
  SendAll(fd, Head(reply));
  if (request->method != "HEAD") SendAll(fd, reply.body);
  char byte = 0;
  if (reply.hang) static_cast<void>(::recv(fd, &byte, 1, 0));  // 0 once the client has gone
}

}  // namespace locket::registry
