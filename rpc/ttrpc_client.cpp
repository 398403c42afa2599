#include "rpc/ttrpc_client.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/encoding.h"
#include "proto/ttrpc.pb.h"
#include "rpc/status.h"
#include "rpc/ttrpc_frame.h"

namespace locket::rpc {
namespace {

using std::chrono::steady_clock;

constexpr size_t kReadBytes = 64U << 10;
constexpr uint32_t kLastStream = 0xFFFFFFFD;
// Far timeouts are as good as none, and near enough to add to the clock.
constexpr std::chrono::hours kLongestTimeout(24 * 365);

struct PendingCall {
  std::string payload;                           // moved out once the writer takes it
  std::optional<Result<std::string>> outcome{};  // the answer's payload
  std::condition_variable done{};
};

Result<std::string> OutcomeOf(TtrpcFrame frame) {
  if (frame.oversize != 0) {
    return Error(ErrorCode::kResourceExhausted, "answer of " + std::to_string(frame.oversize) +
                                                    " bytes, more than " +
                                                    std::to_string(kMaxTtrpcPayload));
  }
  ttrpc::Response response;
  if (!response.ParseFromString(frame.payload)) {
    return Error(ErrorCode::kDataLoss, "answer's envelope does not parse");
  }
  if (response.status().code() != 0) {
    return Error(CodeFromWire(response.status().code()), response.status().message());
  }
  return std::move(*response.mutable_payload());
}

// A reader and a writer thread, so that neither a silent nor a deaf peer holds a caller beyond its
// timeout.
class SocketClient final : public TtrpcClient {
 public:
  SocketClient(UniqueFd stream, std::function<void(const Error&)> on_close)
      : stream_(std::move(stream)), on_close_(std::move(on_close)) {}

  ~SocketClient() override {
    {
      const std::lock_guard lock(mutex_);
      destroying_ = true;
    }
    Close(Error(ErrorCode::kUnavailable, "ttrpc client was destroyed"));
    if (reader_.joinable()) reader_.join();
    if (writer_.joinable()) writer_.join();
    std::unique_lock lock(mutex_);
    callers_left_.wait(lock, [&] { return callers_ == 0; });
  }

  Status Start() {
    try {
      writer_ = std::thread([this] { WriteRequests(); });
      reader_ = std::thread([this] { ReadAnswers(); });
    } catch (const std::system_error& error) {
      return Error(ErrorCode::kResourceExhausted, std::string("start a thread: ") + error.what());
    }
    return Ok();
  }

  Status Call(std::string_view service, std::string_view method,
              const google::protobuf::MessageLite& request, google::protobuf::MessageLite* response,
              const CallOptions& options) override;

 private:
  Result<std::string> Exchange(std::string payload,
                               std::optional<steady_clock::time_point> deadline);
  void WriteRequests();
  void ReadAnswers();
  Status HandleFrame(TtrpcFrame frame);
  // Ends all calls, present and future, with `reason`; the first reason counts.
  void Close(const Error& reason);

  const UniqueFd stream_;
  const std::function<void(const Error&)> on_close_;

  std::mutex mutex_;
  std::condition_variable writer_wakes_;
  std::condition_variable callers_left_;
  size_t callers_ = 0;  // threads inside Exchange
  std::optional<Error> closed_;
  bool destroying_ = false;  // nobody is told of the end
  uint32_t next_stream_ = 1;
  std::map<uint32_t, PendingCall*> calls_;  // on their callers' stacks
  std::deque<uint32_t> to_send_;            // in the order of their numbers, as servers demand

  std::thread writer_;
  std::thread reader_;
};

Status SocketClient::Call(std::string_view service, std::string_view method,
                          const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response, const CallOptions& options) {
  const std::string name = std::string("call '").append(service).append("/").append(method) + "'";
  ttrpc::Request envelope;
  envelope.set_service(std::string(service));
  envelope.set_method(std::string(method));
  envelope.set_payload(request.SerializeAsString());
  for (const auto& [key, value] : options.metadata) {
    ttrpc::KeyValue* const entry = envelope.add_metadata();
    entry->set_key(key);
    entry->set_value(value);
  }
  std::optional<steady_clock::time_point> deadline;
  if (options.timeout && *options.timeout < kLongestTimeout) {
    if (options.timeout->count() <= 0) {
      return Error(ErrorCode::kDeadlineExceeded, "no time left").While(name);
    }
    deadline = steady_clock::now() + *options.timeout;
    envelope.set_timeout_nano(std::chrono::nanoseconds(*options.timeout).count());
  }
  std::string bytes = envelope.SerializeAsString();
  if (bytes.size() > kMaxTtrpcPayload) {
    return Error(ErrorCode::kResourceExhausted, "request of " + std::to_string(bytes.size()) +
                                                    " bytes, more than " +
                                                    std::to_string(kMaxTtrpcPayload))
        .While(name);
  }
  auto answer = Exchange(std::move(bytes), deadline);
  if (!answer.ok()) return std::move(answer).error().While(name);
  if (!response->ParseFromString(*answer)) {
    return Error(ErrorCode::kDataLoss, "answer does not parse").While(name);
  }
  return Ok();
}

Result<std::string> SocketClient::Exchange(std::string payload,
                                           std::optional<steady_clock::time_point> deadline) {
  PendingCall call{.payload = std::move(payload)};
  std::unique_lock lock(mutex_);
  if (closed_) return *closed_;
  if (next_stream_ > kLastStream) {
    return Error(ErrorCode::kUnavailable, "stream numbers of this connection are used up");
  }
  const uint32_t stream = next_stream_;
  next_stream_ += 2;
  calls_.emplace(stream, &call);
  to_send_.push_back(stream);
  ++callers_;
  writer_wakes_.notify_one();
  const auto answered = [&] { return call.outcome.has_value(); };
  if (deadline) {
    call.done.wait_until(lock, *deadline, answered);
  } else {
    call.done.wait(lock, answered);
  }
  calls_.erase(stream);
  if (--callers_ == 0) callers_left_.notify_all();
  if (!call.outcome) return Error(ErrorCode::kDeadlineExceeded, "no answer within the timeout");
  return std::move(*call.outcome);
}

void SocketClient::WriteRequests() {
  std::unique_lock lock(mutex_);
  while (true) {
    writer_wakes_.wait(lock, [&] { return closed_ || !to_send_.empty(); });
    if (closed_) return;
    const uint32_t stream = to_send_.front();
    to_send_.pop_front();
    const auto call = calls_.find(stream);
    if (call == calls_.end()) continue;  // its caller has given up
    const std::string bytes = EncodeTtrpcFrame(
        {.stream = stream, .type = kTtrpcRequest, .payload = std::move(call->second->payload)});
    lock.unlock();
    const auto sent = SendAll(stream_.get(), AsBytes(bytes));
    // A deaf peer ends everything; of one that is gone, answers may still be on their way, and the
    // reader sees its end too.
    if (!sent.ok() && sent.error().code() == ErrorCode::kDeadlineExceeded) {
      Close(Error(ErrorCode::kUnavailable, sent.error().message()));
    }
    lock.lock();
    if (sent.ok()) continue;
    const auto unsent = calls_.find(stream);
    if (unsent == calls_.end() || unsent->second->outcome) continue;
    unsent->second->outcome = sent.error();
    unsent->second->done.notify_one();
  }
}

void SocketClient::ReadAnswers() {
  TtrpcFrameDecoder decoder;
  std::array<std::byte, kReadBytes> bytes;
  std::optional<Error> reason;
  while (!reason) {
    const ssize_t got = ::recv(stream_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      reason = Error(ErrorCode::kUnavailable, "ttrpc peer closed the connection");
      break;
    }
    decoder.Feed(std::span(bytes).first(static_cast<size_t>(got)));
    while (std::optional<TtrpcFrame> frame = decoder.Next()) {
      if (auto handled = HandleFrame(std::move(*frame)); !handled.ok()) {
        reason = std::move(handled).error();
        break;
      }
    }
  }
  Close(*reason);
  {
    const std::lock_guard lock(mutex_);
    if (destroying_) return;
    reason = *closed_;
  }
  if (on_close_) on_close_(*reason);
}

Status SocketClient::HandleFrame(TtrpcFrame frame) {
  if (frame.type != kTtrpcResponse) return Ok();  // the protocol wants unknown types ignored
  const uint32_t stream = frame.stream;
  auto outcome = OutcomeOf(std::move(frame));
  const std::lock_guard lock(mutex_);
  if (stream % 2 == 0 || stream >= next_stream_) {
    return Error(ErrorCode::kUnavailable,
                 "ttrpc peer answered stream " + std::to_string(stream) + ", which nobody opened");
  }
  const auto call = calls_.find(stream);
  // Its caller has given up, or it is a second answer: either way nobody waits for it.
  if (call == calls_.end() || call->second->outcome) return Ok();
  call->second->outcome = std::move(outcome);
  call->second->done.notify_one();
  return Ok();
}

void SocketClient::Close(const Error& reason) {
  const std::lock_guard lock(mutex_);
  if (!closed_) closed_ = reason;
  ::shutdown(stream_.get(), SHUT_RDWR);  // after the reason is set, as it wakes the reader
  for (const auto& [stream, call] : calls_) {
    if (call->outcome) continue;
    call->outcome = *closed_;
    call->done.notify_one();
  }
  writer_wakes_.notify_all();
}

}  // namespace

Result<std::unique_ptr<TtrpcClient>> TtrpcClient::Create(
    UniqueFd stream, std::function<void(const Error&)> on_close) {
  LOCKET_TRY(PrepareStream(stream));
  auto client = std::make_unique<SocketClient>(std::move(stream), std::move(on_close));
  LOCKET_TRY(client->Start());
  return std::unique_ptr<TtrpcClient>(std::move(client));
}

}  // namespace locket::rpc
