#include "runtime-shim/hypervisor/qmp.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace locket::runtime_shim {
namespace {

using nlohmann::json;

Error BadMessage() { return {ErrorCode::kDataLoss, "not a QMP message"}; }
Error Gone() { return {ErrorCode::kUnavailable, "QEMU closed its control socket"}; }

std::string TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

// send(2) with MSG_NOSIGNAL: QEMU may die at any moment, and that must be an error, not a signal.
Status SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Gone();
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Ok();
}

}  // namespace

Result<QmpMessage> ParseQmpMessage(std::string_view line) {
  const json message = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!message.is_object()) return BadMessage();
  if (message.contains("QMP")) return QmpMessage{.kind = QmpMessage::Kind::kGreeting};
  if (message.contains("return")) {
    return QmpMessage{.kind = QmpMessage::Kind::kReturn,
                      .id = TextOf(message, "id"),
                      .text = Dump(message["return"])};
  }
  if (message.contains("error") && message["error"].is_object()) {
    return QmpMessage{.kind = QmpMessage::Kind::kError,
                      .id = TextOf(message, "id"),
                      .text = TextOf(message["error"], "desc")};
  }
  if (!message.contains("event") || !message["event"].is_string()) return BadMessage();
  const json data = message.value("data", json::object());
  return QmpMessage{.kind = QmpMessage::Kind::kEvent,
                    .text = TextOf(message, "event"),
                    .device = data.is_object() ? TextOf(data, "device") : std::string()};
}

QmpClient::QmpClient(UniqueFd socket, std::chrono::milliseconds timeout)
    : socket_(std::move(socket)), timeout_(timeout), reader_([this] { ReadLoop(); }) {}

Result<std::unique_ptr<QmpClient>> QmpClient::Create(UniqueFd socket,
                                                     std::chrono::milliseconds timeout) {
  std::unique_ptr<QmpClient> client(new QmpClient(std::move(socket), timeout));
  {
    std::unique_lock lock(client->mutex_);
    const bool in_time = client->changed_.wait_for(
        lock, timeout, [&] { return client->greeted_ || client->closed_; });
    if (client->closed_) return Gone();
    if (!in_time) return Error(ErrorCode::kDeadlineExceeded, "QEMU sent no greeting in time");
  }
  LOCKET_TRY(client->Execute("qmp_capabilities"));
  return client;
}

QmpClient::~QmpClient() { ::shutdown(socket_.get(), SHUT_RDWR); }

Result<std::string> QmpClient::Execute(std::string_view command, std::string_view arguments) {
  const MutexLock one_at_a_time(execute_);
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    id = std::to_string(++last_id_);
    reply_.reset();
  }
  std::string line = R"({"execute":")" + std::string(command) + R"(","id":")" + id + "\"";
  if (!arguments.empty()) line.append(R"(,"arguments":)").append(arguments);
  const std::string doing = "QMP " + std::string(command);
  LOCKET_TRY(SendAll(socket_.get(), line.append("}\n")).While(doing));
  std::unique_lock lock(mutex_);
  const bool in_time =
      changed_.wait_for(lock, timeout_, [&] { return reply_.has_value() || closed_; });
  if (!reply_ && closed_) return Gone().While(doing);
  if (!in_time) return Error(ErrorCode::kDeadlineExceeded, "no answer in time").While(doing);
  QmpMessage reply = *std::exchange(reply_, std::nullopt);
  if (reply.kind == QmpMessage::Kind::kReturn) return std::move(reply.text);
  return Error(ErrorCode::kInternal, std::move(reply.text)).While(doing);
}

Status QmpClient::WaitDeviceDeleted(const std::string& device, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] { return deleted_.contains(device) || closed_; });
  if (deleted_.erase(device) > 0) return Ok();
  if (closed_) return Gone().While("wait until '" + device + "' is unplugged");
  return Error(ErrorCode::kFailedPrecondition, "QEMU has not let go of '" + device + "'");
}

void QmpClient::ReadLoop() {
  std::string buffer;
  std::array<char, 8192> chunk{};
  while (true) {
    const ssize_t n = ::read(socket_.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    buffer.append(chunk.data(), static_cast<size_t>(n));
    if (!TakeLines(buffer) || buffer.size() > kMaxQmpLine) break;
  }
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool QmpClient::TakeLines(std::string& buffer) {
  size_t start = 0;
  for (size_t end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', start)) {
    auto message = ParseQmpMessage(std::string_view(buffer).substr(start, end - start));
    if (!message.ok()) return false;
    Take(std::move(message).value());
    start = end + 1;
  }
  buffer.erase(0, start);
  return true;
}

void QmpClient::Take(QmpMessage message) {
  const std::lock_guard lock(mutex_);
  switch (message.kind) {
    case QmpMessage::Kind::kGreeting:
      greeted_ = true;
      break;
    case QmpMessage::Kind::kEvent:
      if (message.text == "DEVICE_DELETED" && !message.device.empty() &&
          deleted_.size() < kMaxDeletedDevices) {
        deleted_.insert(std::move(message.device));
      }
      break;
    case QmpMessage::Kind::kReturn:
    case QmpMessage::Kind::kError:
      // A late answer belongs to a command whose caller has given up: it is dropped.
      if (message.id == std::to_string(last_id_)) reply_ = std::move(message);
      break;
  }
  changed_.notify_all();
}

}  // namespace locket::runtime_shim
