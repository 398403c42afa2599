#include "rpc/ttrpc_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "rpc/status.h"

namespace locket::rpc {
namespace {

using std::chrono::steady_clock;

constexpr size_t kReadBytes = 64U << 10;

// Never early: poll counts whole milliseconds.
int PollTimeout(const std::optional<steady_clock::time_point>& until) {
  if (!until) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*until - steady_clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

std::string Name(const ttrpc::Request& request) {
  return "'" + request.service() + "/" + request.method() + "'";
}

Error Overdue() { return {ErrorCode::kDeadlineExceeded, "no answer within the caller's timeout"}; }

// Far timeouts are as good as none, and near enough to add to the clock.
constexpr std::chrono::hours kLongestTimeout(24 * 365);

TtrpcConnection::Deadline DeadlineOf(const ttrpc::Request& request) {
  if (request.timeout_nano() == 0) return std::nullopt;
  const std::chrono::nanoseconds timeout(request.timeout_nano());
  if (timeout > kLongestTimeout) return std::nullopt;
  return steady_clock::now() + std::max(timeout, std::chrono::nanoseconds(0));
}

CallContext ContextOf(const ttrpc::Request& request, TtrpcConnection::Deadline deadline) {
  CallContext context{.deadline = deadline};
  for (const ttrpc::KeyValue& entry : request.metadata()) {
    context.metadata.emplace(entry.key(), entry.value());
  }
  return context;
}

}  // namespace

Status TtrpcConnection::Run() {
  const auto end = ServeRequests();
  // After a stop the last answer may be on its way, and whoever sends it closes the stream. Else
  // handlers may hold it for long yet, and the peer need not wait for them to see its end.
  if (!end.ok() || *end == End::kPeerClosed) ::shutdown(stream_.get(), SHUT_RDWR);
  if (!end.ok()) return end.error();
  return Ok();
}

Result<TtrpcConnection::End> TtrpcConnection::ServeRequests() {
  while (true) {
    LOCKET_TRY_ASSIGN(const Woken woken, WaitForPeer());
    if (woken.stopped) {
      AnswerRest();
      return End::kStopped;
    }
    AnswerOverdue();
    if (!woken.readable) continue;
    LOCKET_TRY_ASSIGN(const bool open, ReadSome());
    if (!open) return End::kPeerClosed;
    while (std::optional<TtrpcFrame> frame = decoder_.Next()) {
      HandleFrame(std::move(*frame));
      frame_begun_.reset();
    }
    if (decoder_.inside_frame() && !frame_begun_) frame_begun_ = steady_clock::now();
  }
}

Result<TtrpcConnection::Woken> TtrpcConnection::WaitForPeer() {
  std::optional<steady_clock::time_point> until = NearestDeadline();
  if (frame_begun_) {
    const auto overdue = *frame_begun_ + frame_timeout_;
    if (steady_clock::now() >= overdue) {
      return Error(ErrorCode::kDataLoss, "ttrpc peer does not finish its frame");
    }
    until = until ? std::min(*until, overdue) : overdue;
  }
  std::array<pollfd, 2> fds{{{stream_.get(), POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), PollTimeout(until)) < 0 && errno != EINTR) {
    return Error::FromErrno(errno, "wait for ttrpc peer");
  }
  return Woken{.readable = fds[0].revents != 0, .stopped = fds[1].revents != 0};
}

Result<bool> TtrpcConnection::ReadSome() {
  std::array<std::byte, kReadBytes> bytes;
  const ssize_t got = ::recv(stream_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got < 0 && errno != ECONNRESET) return Error::FromErrno(errno, "read from ttrpc peer");
  if (got <= 0) {
    if (decoder_.inside_frame()) {
      return Error(ErrorCode::kDataLoss, "ttrpc peer ended inside a frame");
    }
    return false;
  }
  decoder_.Feed(std::span(bytes).first(static_cast<size_t>(got)));
  return true;
}

void TtrpcConnection::HandleFrame(TtrpcFrame frame) {
  const std::string stream = "stream " + std::to_string(frame.stream);
  if (frame.type == kTtrpcData) {
    Send(frame.stream, Error(ErrorCode::kInvalidArgument, stream + " takes no data"));
    return;
  }
  if (frame.type != kTtrpcRequest) return;  // the protocol wants unknown types ignored
  if (frame.stream % 2 == 0 || frame.stream <= last_stream_) {
    Send(frame.stream, Error(ErrorCode::kInvalidArgument,
                             stream + ": request streams are odd and grow with each request"));
    return;
  }
  last_stream_ = frame.stream;
  if (frame.oversize != 0) {
    Send(frame.stream, Error(ErrorCode::kResourceExhausted,
                             "request of " + std::to_string(frame.oversize) + " bytes, more than " +
                                 std::to_string(kMaxTtrpcPayload)));
    return;
  }
  ttrpc::Request request;
  if (!request.ParseFromString(frame.payload)) {
    Send(frame.stream, Error(ErrorCode::kInvalidArgument, "request envelope does not parse"));
    return;
  }
  if ((frame.flags & kTtrpcRemoteOpen) != 0) {
    Send(frame.stream, Error(ErrorCode::kUnimplemented, Name(request) + " is no streaming method"));
    return;
  }
  if (auto started = StartCall(frame.stream, std::move(request)); !started.ok()) {
    Answer(frame.stream, std::move(started).error());
  }
}

Status TtrpcConnection::StartCall(uint32_t stream, ttrpc::Request request) {
  const Deadline deadline = DeadlineOf(request);
  {
    const std::lock_guard lock(calls_mutex_);
    calls_.emplace(stream, deadline);
  }
  const TtrpcMethods::Raw* method = methods_.Find(request.service(), request.method());
  if (method == nullptr) {
    return Error(ErrorCode::kUnimplemented, "no method " + Name(request));
  }
  if (deadline && *deadline <= steady_clock::now()) return Overdue();
  return launch_(
      [self = shared_from_this(), method, stream, deadline, request = std::move(request)] {
        self->Answer(stream, (*method)(ContextOf(request, deadline), request.payload()));
      });
}

TtrpcConnection::Deadline TtrpcConnection::NearestDeadline() {
  const std::lock_guard lock(calls_mutex_);
  Deadline nearest;
  for (const auto& [stream, deadline] : calls_) {
    if (deadline && (!nearest || *deadline < *nearest)) nearest = deadline;
  }
  return nearest;
}

void TtrpcConnection::AnswerOverdue() {
  std::vector<uint32_t> overdue;
  {
    const std::lock_guard lock(calls_mutex_);
    const auto now = steady_clock::now();
    for (const auto& [stream, deadline] : calls_) {
      if (deadline && *deadline <= now) overdue.push_back(stream);
    }
  }
  for (const uint32_t stream : overdue) Answer(stream, Overdue());
}

void TtrpcConnection::AnswerRest() {
  std::unique_lock lock(calls_mutex_);
  while (!calls_.empty()) {
    lock.unlock();
    const Deadline nearest = NearestDeadline();
    AnswerOverdue();
    lock.lock();
    const auto none_left = [&] { return calls_.empty(); };
    if (nearest) {
      calls_changed_.wait_until(lock, *nearest, none_left);
    } else {
      calls_changed_.wait(lock, none_left);
    }
  }
}

void TtrpcConnection::Answer(uint32_t stream, const Result<std::string>& result) {
  bool late = false;
  {
    // The first answer counts: the handler's or that of its deadline.
    const std::lock_guard lock(calls_mutex_);
    const auto call = calls_.extract(stream);
    if (call.empty()) return;
    late = call.mapped() && *call.mapped() <= steady_clock::now();
    calls_changed_.notify_all();
  }
  if (late) {
    Send(stream, Overdue());
  } else {
    Send(stream, result);
  }
}

void TtrpcConnection::Send(uint32_t stream, const Result<std::string>& result) {
  ttrpc::Response response;
  if (result.ok()) {
    response.set_payload(*result);
  } else {
    response.mutable_status()->set_code(WireCode(result.error().code()));
    response.mutable_status()->set_message(WireMessage(result.error().message()));
  }
  TtrpcFrame frame{
      .stream = stream, .type = kTtrpcResponse, .payload = response.SerializeAsString()};
  if (frame.payload.size() > kMaxTtrpcPayload) {
    Send(stream, Error(ErrorCode::kResourceExhausted,
                       "answer of " + std::to_string(frame.payload.size()) + " bytes, more than " +
                           std::to_string(kMaxTtrpcPayload)));
    return;
  }
  const std::lock_guard lock(send_mutex_);
  if (broken_ || SendAll(stream_.get(), AsBytes(EncodeTtrpcFrame(frame))).ok()) return;
  // Perhaps half a frame is out: the stream is of no more use, and the reader learns it this way.
  broken_ = true;
  ::shutdown(stream_.get(), SHUT_RDWR);
}

}  // namespace locket::rpc
