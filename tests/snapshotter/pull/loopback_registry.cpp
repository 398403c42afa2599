#include "tests/snapshotter/pull/loopback_registry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "image/oci/digest.h"

namespace locket::snapshotter {
namespace {

void Check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string ReadHead(int fd) {
  std::string head;
  char byte = 0;
  while (head.find("\r\n\r\n") == std::string::npos && ::read(fd, &byte, 1) == 1) head += byte;
  return head;
}

size_t RangeStart(const std::string& head) {
  constexpr std::string_view kRange = "bytes=";
  const size_t found = head.find(kRange);
  return found == std::string::npos ? 0 : std::stoul(head.substr(found + kRange.size()));
}

}  // namespace

LoopbackRegistry::LoopbackRegistry() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Check(::bind(listener_.get(), generic, size) == 0, "bind");
  Check(::listen(listener_.get(), 64) == 0, "listen");
  Check(::getsockname(listener_.get(), generic, &size) == 0, "getsockname");
  port_ = ::ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

LoopbackRegistry::~LoopbackRegistry() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  for (std::thread& connection : connections_) connection.join();
}

void LoopbackRegistry::Add(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  content_[image::Digest::Of(bytes).ToText()] = bytes;
}

void LoopbackRegistry::StallAfter(const std::string& digest, size_t bytes) {
  const std::lock_guard lock(mutex_);
  stall_.emplace(digest, bytes);
  stalled_ = false;
}

void LoopbackRegistry::StopStalling() {
  const std::lock_guard lock(mutex_);
  stall_.reset();
  changed_.notify_all();
}

void LoopbackRegistry::WaitForStall() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stalled_; });
}

void LoopbackRegistry::Follow(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::vector<size_t> LoopbackRegistry::OffsetsAsked(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  return asked_[digest];
}

void LoopbackRegistry::Serve() {
  while (true) {
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.emplace_back([this, fd] {
      Answer(fd);
      ::close(fd);
    });
  }
}

void LoopbackRegistry::Answer(int fd) {
  const std::string head = ReadHead(fd);
  Script script;
  {
    const std::lock_guard lock(mutex_);
    script = script_;
  }
  if (const auto raw = script ? script(head) : std::nullopt) {
    SendAll(fd, raw->bytes);
    const linger at_once{.l_onoff = 1, .l_linger = 0};  // close(2) resets, socket(7)
    if (raw->reset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return;
  }
  const size_t digest_at = head.find("sha256:");
  if (digest_at == std::string::npos) {  // GET /v2/
    SendAll(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    return;
  }
  const std::string digest = head.substr(digest_at, 71);
  const bool manifest = head.find("/manifests/") != std::string::npos;
  const size_t start = RangeStart(head);
  std::unique_lock lock(mutex_);
  const auto found = content_.find(digest);
  if (found == content_.end() || start > found->second.size()) {
    SendAll(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const std::string bytes = found->second;
  asked_[digest].push_back(start);
  const auto stall = stall_ && stall_->first == digest ? stall_ : std::nullopt;
  lock.unlock();
  std::string answer = start > 0
                           ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                 std::to_string(start) + "-" + std::to_string(bytes.size() - 1) +
                                 "/" + std::to_string(bytes.size()) + "\r\n"
                           : "HTTP/1.1 200 OK\r\n";
  answer += "Content-Length: " + std::to_string(bytes.size() - start) +
            "\r\nDocker-Content-Digest: " + digest + "\r\nContent-Type: " +
            (manifest ? "application/vnd.oci.image.manifest.v1+json" : "application/octet-stream") +
            "\r\nConnection: close\r\n\r\n";
  if (!SendAll(fd, answer) || head.starts_with("HEAD")) return;
  if (!stall) {
    SendAll(fd, std::string_view(bytes).substr(start));
    return;
  }
  if (start < stall->second)
    SendAll(fd, std::string_view(bytes).substr(start, stall->second - start));
  lock.lock();
  stalled_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stopping_ || !stall_; });
}

}  // namespace locket::snapshotter
