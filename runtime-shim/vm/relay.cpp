#include "runtime-shim/vm/relay.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace locket::runtime_shim {
namespace {

using rpc::RelayFrame;
using rpc::RelayType;

constexpr int kConnectTimeoutMs = 10'000;
constexpr timeval kSendTimeout{.tv_sec = 30, .tv_usec = 0};

struct AddressListFree {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListFree>;

// "host:port" or "[v6]:port", as the configuration was checked to be.
Result<AddressList> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &list);
  if (failed != 0) return Error(ErrorCode::kUnavailable, ::gai_strerror(failed));
  return AddressList(list);
}

Status SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "send");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Ok();
}

// Non-blocking until it is connected, so that `stop` and the time limit end the attempt.
Result<UniqueFd> ConnectOne(const addrinfo& to, int stop) {
  UniqueFd socket(::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Error::FromErrno(errno, "create socket");
  if (::connect(socket.get(), to.ai_addr, to.ai_addrlen) != 0 && errno != EINPROGRESS) {
    return Error::FromErrno(errno, "connect");
  }
  std::array<pollfd, 2> waiting{pollfd{socket.get(), POLLOUT, 0}, pollfd{stop, POLLIN, 0}};
  const int ready = ::poll(waiting.data(), waiting.size(), kConnectTimeoutMs);
  if (ready == 0) return Error(ErrorCode::kDeadlineExceeded, "connect: no answer in time");
  if (waiting[1].revents != 0) return Error(ErrorCode::kCancelled, "connect: the VM is ending");
  int failed = 0;
  socklen_t size = sizeof(failed);
  (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return Error::FromErrno(failed, "connect");
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0 ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof kSendTimeout) !=
          0) {
    return Error::FromErrno(errno, "set up socket");
  }
  return socket;
}

}  // namespace

Relay::Relay(UniqueFd port, const std::vector<std::string>& allow)
    : port_(std::move(port)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      allow_(allow.begin(), allow.end()),
      reader_([this] { ReadLoop(); }) {}

Relay::~Relay() { ::shutdown(port_.get(), SHUT_RDWR); }

void Relay::ReadLoop() {
  while (true) {
    auto frame = rpc::ReadRelayFrame(port_.get());
    const auto taken = !frame.ok()           ? Status(frame.error())
                       : !frame->has_value() ? Status(Error(ErrorCode::kUnavailable, "ended"))
                                             : Take(std::move(**frame));
    if (taken.ok()) continue;
    if (taken.error().code() == ErrorCode::kDataLoss) {
      log::Warning("relay: the guest broke the protocol; no more relaying for this VM",
                   {log::Field(taken.error())});
    }
    break;
  }
  ::shutdown(port_.get(), SHUT_RDWR);
  (void)::eventfd_write(stop_.get(), 1);
  for (auto& [number, stream] : streams_) {
    if (stream->socket >= 0) ::shutdown(stream->socket, SHUT_RDWR);
  }
  streams_.clear();  // joins
}

Status Relay::Take(RelayFrame frame) {
  Sweep();
  switch (frame.type) {
    case RelayType::kOpen:
      return Open(frame.stream, frame.payload);
    case RelayType::kData:
      Data(frame.stream, frame.payload);
      return Ok();
    case RelayType::kClose:
      GuestClose(frame.stream);
      return Ok();
    case RelayType::kOpened:
      break;
  }
  return Error(ErrorCode::kDataLoss, "OPENED from the guest");
}

Status Relay::Open(uint32_t number, const std::string& address) {
  if (streams_.contains(number)) {
    return Error(ErrorCode::kDataLoss, "stream " + std::to_string(number) + " opened twice");
  }
  std::string refusal;
  if (streams_.size() >= rpc::kMaxRelayStreams) {
    refusal = "relay: more than " + std::to_string(rpc::kMaxRelayStreams) + " streams";
  } else if (!allow_.contains(address)) {
    refusal = "relay: " + address.substr(0, 256) + " is not in relay.allow";
    log::Warning("relay: refused an address that is not in relay.allow",
                 {{"address", address.substr(0, 256)}});
  }
  if (!refusal.empty()) {
    Send({.type = RelayType::kClose, .stream = number, .payload = refusal});
    return Ok();
  }
  auto& stream = *(streams_[number] = std::make_unique<Stream>());
  stream.pump = std::jthread([this, number, address, &stream] { Pump(number, address, stream); });
  return Ok();
}

void Relay::Data(uint32_t number, const std::string& payload) {
  const auto found = streams_.find(number);
  // The guest may have sent data before it read our CLOSE. Nobody wants that data.
  if (found == streams_.end() || found->second->socket < 0) return;
  const int socket = found->second->socket;
  if (!SendAll(socket, payload).ok()) ::shutdown(socket, SHUT_RDWR);
}

void Relay::GuestClose(uint32_t number) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return;
  if (found->second->socket >= 0) ::shutdown(found->second->socket, SHUT_RDWR);
}

// Forgets the streams whose CLOSE was sent, and closes their sockets. That does not wait for the
// guest's CLOSE: a guest that owes it must not use up the streams.
void Relay::Sweep() {
  std::erase_if(streams_, [](const auto& entry) { return entry.second->finished.load(); });
}

void Relay::Pump(uint32_t number, const std::string& address, Stream& stream) {
  auto connected = Connect(address);
  std::string reason;
  if (connected.ok()) {
    stream.owner = std::move(connected).value();
    stream.socket = stream.owner.get();
    Send({.type = RelayType::kOpened, .stream = number});
    CopyToGuest(number, stream.owner.get());
  } else {
    reason = "relay: " + address + ": " + connected.error().message();
    log::Warning("relay: cannot reach an allowed address",
                 {log::Field(connected.error()), {"address", address}});
  }
  Send({.type = RelayType::kClose, .stream = number, .payload = reason});
  stream.finished = true;
}

Result<UniqueFd> Relay::Connect(const std::string& address) const {
  LOCKET_TRY_ASSIGN(const auto list, Resolve(address));
  Result<UniqueFd> last(Error(ErrorCode::kUnavailable, "no address"));
  for (const addrinfo* to = list.get(); to != nullptr; to = to->ai_next) {
    last = ConnectOne(*to, stop_.get());
    if (last.ok()) break;
  }
  return last;
}

void Relay::CopyToGuest(uint32_t number, int socket) {
  std::string buffer(rpc::kMaxRelayPayload / 2, '\0');
  while (true) {
    const ssize_t n = ::read(socket, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    Send({.type = RelayType::kData,
          .stream = number,
          .payload = buffer.substr(0, static_cast<size_t>(n))});
  }
}

void Relay::Send(const RelayFrame& frame) {
  const MutexLock lock(write_);
  // A port that cannot be written to has ended, and the reading thread sees that, too.
  (void)rpc::WriteRelayFrame(port_.get(), frame);
}

}  // namespace locket::runtime_shim
