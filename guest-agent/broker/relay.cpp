#include "guest-agent/broker/relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/encoding.h"
#include "base/file.h"
#include "rpc/relay_frame.h"

namespace locket::guest_agent {
namespace {

using rpc::RelayFrame;
using rpc::RelayType;

// One connection: `ours` is the end of a socket pair whose other end the caller of Connect has.
struct Stream {
  enum class State { kOpening, kOpen, kClosed };
  State state = State::kOpening;
  std::string reason{};
  UniqueFd ours{};
  bool finished = false;  // from_caller's last act
  std::thread from_caller{};
};

class PortRelay final : public Relay {
 public:
  explicit PortRelay(UniqueFd port) : port_(std::move(port)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    from_port_ = std::thread([this] { ReadPort(); });
  }

  ~PortRelay() override {
    const uint64_t one = 1;
    (void)WriteFull(stop_.get(), std::as_bytes(std::span(&one, 1)));
    from_port_.join();  // and with it no stream is added or closed by the host any more
    CloseAll("the relay is shut down");
    for (auto& [number, stream] : streams_) {
      if (stream->from_caller.joinable()) stream->from_caller.join();
    }
  }

  Result<UniqueFd> Connect(const std::string& address, std::chrono::milliseconds timeout) override;

 private:
  using StreamPtr = std::shared_ptr<Stream>;  // Deliver holds the one it writes to

  void ReadPort();
  void Deliver(const RelayFrame& frame);
  void ReadCaller(uint32_t number, Stream& stream);
  Result<uint32_t> AddStream(UniqueFd ours);
  Status FinishOpening(uint32_t number, std::chrono::milliseconds timeout);
  void CollectFinished();
  void CloseAll(const std::string& reason);
  Status Send(const RelayFrame& frame);

  UniqueFd port_;
  UniqueFd stop_;
  std::mutex write_mutex_;  // frames never mix
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint32_t, StreamPtr> streams_;
  uint32_t next_ = 1;
  std::string ended_;  // why no stream can be opened any more
  std::thread from_port_;
};

Status PortRelay::Send(const RelayFrame& frame) {
  const std::lock_guard lock(write_mutex_);
  return rpc::WriteRelayFrame(port_.get(), frame);
}

void PortRelay::ReadPort() {
  rpc::RelayFrameDecoder decoder;
  std::array<char, rpc::kMaxRelayPayload> buffer;
  for (;;) {
    std::array<pollfd, 2> waiting{{{.fd = port_.get(), .events = POLLIN, .revents = 0},
                                   {.fd = stop_.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    const ssize_t got = ::read(port_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    bool usable = got > 0;
    if (usable) {
      decoder.Feed(AsBytes(std::string_view(buffer.data(), static_cast<size_t>(got))));
      for (auto frame = decoder.Next();; frame = decoder.Next()) {
        usable = frame.ok();
        if (!usable || !frame->has_value()) break;
        Deliver(**frame);
      }
    }
    if (usable) continue;
    CloseAll("the host's end of the relay is gone");
    return;
  }
}

void PortRelay::Deliver(const RelayFrame& frame) {
  StreamPtr stream;
  {
    const std::lock_guard lock(mutex_);
    const auto it = streams_.find(frame.stream);
    if (it == streams_.end() || it->second->state == Stream::State::kClosed) return;
    stream = it->second;
    if (frame.type == RelayType::kOpened) stream->state = Stream::State::kOpen;
    if (frame.type == RelayType::kClose) {
      stream->state = Stream::State::kClosed;
      stream->reason = frame.payload;
      ::shutdown(stream->ours.get(), SHUT_RDWR);
    }
    changed_.notify_all();
  }
  // Blocks while the caller does not read, and the other streams with it: there is one at a time.
  if (frame.type == RelayType::kData) {
    (void)WriteFull(stream->ours.get(), AsBytes(frame.payload));
  }
}

// Runs until the caller closes its end or the host closes the stream.
void PortRelay::ReadCaller(uint32_t number, Stream& stream) {
  std::string buffer(rpc::kMaxRelayPayload, '\0');
  for (;;) {
    const ssize_t got = ::read(stream.ours.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    const RelayFrame data{.type = RelayType::kData,
                          .stream = number,
                          .payload = buffer.substr(0, static_cast<size_t>(got))};
    if (!Send(data).ok()) break;
  }
  std::unique_lock lock(mutex_);
  stream.state = Stream::State::kClosed;
  const bool has_host = ended_.empty();
  lock.unlock();
  // Each side closes a stream once, whichever side is the first: the host waits for ours.
  if (has_host) (void)Send({.type = RelayType::kClose, .stream = number});
  ::shutdown(stream.ours.get(), SHUT_RDWR);  // the caller sees the end
  lock.lock();
  stream.finished = true;
}

// Streams whose thread has done its last act.
void PortRelay::CollectFinished() {
  std::erase_if(streams_, [](auto& entry) {
    if (!entry.second->finished) return false;
    entry.second->from_caller.join();
    return true;
  });
}

Result<uint32_t> PortRelay::AddStream(UniqueFd ours) {
  const std::lock_guard lock(mutex_);
  if (!ended_.empty()) return Error(ErrorCode::kUnavailable, "relay: " + ended_);
  CollectFinished();
  if (streams_.size() >= rpc::kMaxRelayStreams) {
    return Error(ErrorCode::kResourceExhausted, "relay: too many connections are open");
  }
  const uint32_t number = next_++;
  auto stream = std::make_shared<Stream>();
  stream->ours = std::move(ours);
  streams_.emplace(number, std::move(stream));
  return number;
}

void PortRelay::CloseAll(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ended_ = reason;
  for (auto& [number, stream] : streams_) {
    if (stream->state == Stream::State::kClosed) continue;
    stream->state = Stream::State::kClosed;
    stream->reason = reason;
    ::shutdown(stream->ours.get(), SHUT_RDWR);
  }
  changed_.notify_all();
}

// Waits for the host's answer and starts the stream, or takes it out again.
Status PortRelay::FinishOpening(uint32_t number, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  Stream& stream = *streams_.at(number);
  const bool answered =
      changed_.wait_for(lock, timeout, [&] { return stream.state != Stream::State::kOpening; });
  if (answered && stream.state == Stream::State::kOpen) {
    stream.from_caller = std::thread([this, number, &stream] { ReadCaller(number, stream); });
    return Ok();
  }
  const std::string reason = stream.reason;
  streams_.erase(number);
  lock.unlock();
  if (answered) {
    return Error(ErrorCode::kPermissionDenied,
                 "relay: " + (reason.empty() ? "the host closed the connection" : reason));
  }
  (void)Send({.type = RelayType::kClose, .stream = number});
  return Error(ErrorCode::kDeadlineExceeded, "relay: the host did not answer");
}

Result<UniqueFd> PortRelay::Connect(const std::string& address, std::chrono::milliseconds timeout) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Error::FromErrno(errno, "make a socket pair");
  }
  UniqueFd theirs(ends[0]);
  LOCKET_TRY_ASSIGN(const uint32_t number, AddStream(UniqueFd(ends[1])));
  Status sent = Send({.type = RelayType::kOpen, .stream = number, .payload = address});
  if (!sent.ok()) {
    const std::lock_guard lock(mutex_);
    streams_.erase(number);
    return Error(ErrorCode::kUnavailable, "relay: " + sent.error().message());
  }
  LOCKET_TRY(FinishOpening(number, timeout).While("connect to '" + address + "'"));
  return theirs;
}

}  // namespace

std::unique_ptr<Relay> Relay::Create(UniqueFd port) {
  return std::make_unique<PortRelay>(std::move(port));
}

}  // namespace locket::guest_agent
