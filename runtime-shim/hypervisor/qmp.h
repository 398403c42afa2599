// QEMU's machine protocol: JSON lines over a unix socket (QEMU docs/interop/qmp-spec).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxQmpLine = 1U << 20;
// How many removed devices are remembered until somebody asks about them. Further ones are
// forgotten: an attacker who broke out of the guest may have QEMU send any number.
inline constexpr size_t kMaxDeletedDevices = 8192;

// One message of QEMU, reduced to what the shim looks at.
struct QmpMessage {
  enum class Kind { kGreeting, kReturn, kError, kEvent };
  Kind kind;
  std::string id{};      // of the command that kReturn or kError answers; empty if none
  std::string text{};    // kReturn: the value as JSON; kError: why; kEvent: its name
  std::string device{};  // kEvent: data.device, if it is a text
  bool operator==(const QmpMessage&) const = default;
};

// Returns the message in one line, which has no line feed. kDataLoss: it is not one of the four
// kinds.
Result<QmpMessage> ParseQmpMessage(std::string_view line);

// One connection. Thread-safe; commands go one at a time.
class QmpClient {
 public:
  // Reads the greeting and ends the negotiation of capabilities. `timeout` limits that, and each
  // command later. kDeadlineExceeded, kUnavailable, kDataLoss: QEMU is silent, gone, or not QMP.
  static Result<std::unique_ptr<QmpClient>> Create(UniqueFd socket,
                                                   std::chrono::milliseconds timeout);
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;
  ~QmpClient();

  // Executes one command. `arguments`: a JSON object, or empty for none. Returns QEMU's answer as
  // JSON. kInternal: QEMU refused; the message says why. kUnavailable: the connection is gone.
  // kDeadlineExceeded: no answer in time; QEMU may still obey later.
  Result<std::string> Execute(std::string_view command, std::string_view arguments = {});

  // Waits up to `patience` for the event DEVICE_DELETED of a device for which device_del was
  // executed on this client. kFailedPrecondition: it has not come yet. kUnavailable: the connection
  // is gone.
  Status WaitDeviceDeleted(const std::string& device, std::chrono::milliseconds patience);

 private:
  QmpClient(UniqueFd socket, std::chrono::milliseconds timeout);
  void ReadLoop();
  bool TakeLines(std::string& buffer);
  void Take(QmpMessage message);

  const UniqueFd socket_;
  const std::chrono::milliseconds timeout_;
  Mutex execute_;  // held for one command and its answer

  std::mutex mutex_;  // guards what follows; a std::mutex for the condition variable's sake
  std::condition_variable changed_;
  bool greeted_ = false;
  bool closed_ = false;
  uint64_t last_id_ = 0;
  std::optional<QmpMessage> reply_;
  std::set<std::string> deleted_;

  std::jthread reader_;  // last: it uses the rest
};

}  // namespace locket::runtime_shim
