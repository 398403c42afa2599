// Events of tasks, sent to containerd in their order. A thread of the publisher sends them:
// containerd may be down or slow, and no task may wait for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace locket::rpc {
class TtrpcClient;
}

namespace locket::runtime_shim {

using TimePoint = std::chrono::system_clock::time_point;

struct ExecExit {
  uint32_t pid;
  uint32_t status;
  TimePoint at;
};

struct TaskCreated {
  std::string id;
  std::string bundle;
  std::string in;
  std::string out;
  std::string err;
  bool terminal;
  uint32_t pid;
};

// Every method but the constructor queues one event and returns at once. An event that cannot be
// delivered is tried kEventAttempts times and then dropped with a warning; so is one that would be
// the queue's kMaxQueuedEvents + 1st. Destruction delivers what is queued, for at most kEventFlush.
// Thread-safe; callers that need an order between two events make the calls in that order.
//
// For each task: Created, Started, then OutOfMemory if that is why, Exited, and Deleted at last.
// For each exec: ExecAdded, ExecStarted, ExecExited. `pid` is the hypervisor's, the only one on the
// host.
class EventPublisher {
 public:
  // `address`: the path of containerd's ttrpc socket; empty: events go nowhere. `namespace_name`:
  // containerd's namespace, in which the events happened.
  EventPublisher(std::string address, std::string namespace_name);
  EventPublisher(const EventPublisher&) = delete;
  EventPublisher& operator=(const EventPublisher&) = delete;
  ~EventPublisher();

  void Created(const TaskCreated& task);
  void Started(const std::string& id, uint32_t pid);
  // Comes before the Exited that it explains: containerd keeps it as the reason.
  void OutOfMemory(const std::string& id);
  void Exited(const std::string& id, uint32_t pid, uint32_t status, TimePoint at);
  void Deleted(const std::string& id, uint32_t pid, uint32_t status, TimePoint at);
  void ExecAdded(const std::string& id, const std::string& exec_id);
  void ExecStarted(const std::string& id, const std::string& exec_id, uint32_t pid);
  void ExecExited(const std::string& id, const std::string& exec_id, const ExecExit& exit);

 private:
  struct Event {
    std::string topic;
    std::string type;     // protobuf name
    std::string payload;  // serialised
    TimePoint at;
  };
  void Enqueue(std::string topic, std::string type, std::string payload);
  void SendLoop();
  void Deliver(const Event& event);
  Status Forward(const Event& event);
  bool Pause(std::chrono::milliseconds span);

  const std::string address_;
  const std::string namespace_;
  std::unique_ptr<rpc::TtrpcClient> client_;  // sending thread only; null: not connected

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> queue_;
  bool stopping_ = false;
  TimePoint give_up_at_ = TimePoint::max();

  std::jthread sender_;
};

inline constexpr int kEventAttempts = 5;
inline constexpr std::chrono::seconds kEventFlush{2};
inline constexpr size_t kMaxQueuedEvents = 1024;

}  // namespace locket::runtime_shim
