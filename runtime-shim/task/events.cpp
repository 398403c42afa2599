#include "runtime-shim/task/events.h"

#include <google/protobuf/empty.pb.h>

#include <algorithm>

#include "base/log.h"
#include "proto/events.pb.h"
#include "proto/task_events.pb.h"
#include "rpc/transport.h"
#include "rpc/ttrpc_client.h"
#include "runtime-shim/task/timestamps.h"

namespace locket::runtime_shim {
namespace {

constexpr std::string_view kService = "containerd.services.events.ttrpc.v1.Events";
constexpr std::chrono::milliseconds kCallTimeout{5000};
constexpr std::chrono::milliseconds kFirstPause{100};

std::string WithoutScheme(std::string address) {
  constexpr std::string_view kScheme = "unix://";
  return address.starts_with(kScheme) ? address.substr(kScheme.size()) : address;
}

}  // namespace

EventPublisher::EventPublisher(std::string address, std::string namespace_name)
    : address_(WithoutScheme(std::move(address))),
      namespace_(std::move(namespace_name)),
      sender_([this] { SendLoop(); }) {}

EventPublisher::~EventPublisher() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  give_up_at_ = std::chrono::system_clock::now() + kEventFlush;
  changed_.notify_all();
}

void EventPublisher::Created(const TaskCreated& task) {
  ::containerd::events::TaskCreate event;
  event.set_container_id(task.id);
  event.set_bundle(task.bundle);
  event.mutable_io()->set_stdin(task.in);
  event.mutable_io()->set_stdout(task.out);
  event.mutable_io()->set_stderr(task.err);
  event.mutable_io()->set_terminal(task.terminal);
  event.set_pid(task.pid);
  Enqueue("/tasks/create", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::Started(const std::string& id, uint32_t pid) {
  ::containerd::events::TaskStart event;
  event.set_container_id(id);
  event.set_pid(pid);
  Enqueue("/tasks/start", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::OutOfMemory(const std::string& id) {
  ::containerd::events::TaskOOM event;
  event.set_container_id(id);
  Enqueue("/tasks/oom", event.GetTypeName(), event.SerializeAsString());
}

// A container's first process goes by the container's ID.
void EventPublisher::Exited(const std::string& id, uint32_t pid, uint32_t status, TimePoint at) {
  ExecExited(id, id, {.pid = pid, .status = status, .at = at});
}

void EventPublisher::Deleted(const std::string& id, uint32_t pid, uint32_t status, TimePoint at) {
  ::containerd::events::TaskDelete event;
  event.set_container_id(id);
  event.set_pid(pid);
  event.set_exit_status(status);
  *event.mutable_exited_at() = ToTimestamp(at);
  Enqueue("/tasks/delete", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::ExecAdded(const std::string& id, const std::string& exec_id) {
  ::containerd::events::TaskExecAdded event;
  event.set_container_id(id);
  event.set_exec_id(exec_id);
  Enqueue("/tasks/exec-added", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::ExecStarted(const std::string& id, const std::string& exec_id, uint32_t pid) {
  ::containerd::events::TaskExecStarted event;
  event.set_container_id(id);
  event.set_exec_id(exec_id);
  event.set_pid(pid);
  Enqueue("/tasks/exec-started", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::ExecExited(const std::string& id, const std::string& exec_id,
                                const ExecExit& exit) {
  ::containerd::events::TaskExit event;
  event.set_container_id(id);
  event.set_id(exec_id);
  event.set_pid(exit.pid);
  event.set_exit_status(exit.status);
  *event.mutable_exited_at() = ToTimestamp(exit.at);
  Enqueue("/tasks/exit", event.GetTypeName(), event.SerializeAsString());
}

void EventPublisher::Enqueue(std::string topic, std::string type, std::string payload) {
  if (address_.empty()) return;
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxQueuedEvents) {
    log::Warning("too many events wait for containerd; dropped one", {{"topic", topic}});
    return;
  }
  queue_.push_back({.topic = std::move(topic),
                    .type = std::move(type),
                    .payload = std::move(payload),
                    .at = std::chrono::system_clock::now()});
  changed_.notify_all();
}

void EventPublisher::SendLoop() {
  while (true) {
    Event event;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) break;
      event = std::move(queue_.front());
      queue_.pop_front();
    }
    Deliver(event);
  }
  client_.reset();
}

void EventPublisher::Deliver(const Event& event) {
  auto pause = kFirstPause;
  for (int attempt = 1;; ++attempt, pause *= 2) {
    const auto sent = Forward(event);
    if (sent.ok()) return;
    client_.reset();
    if (attempt == kEventAttempts || !Pause(pause)) {
      log::Warning("containerd was not told of an event",
                   {{"topic", event.topic}, log::Field(sent.error())});
      return;
    }
  }
}

Status EventPublisher::Forward(const Event& event) {
  if (client_ == nullptr) {
    LOCKET_TRY_ASSIGN(auto socket, rpc::ConnectUnix(address_));
    LOCKET_TRY_ASSIGN(client_, rpc::TtrpcClient::Create(std::move(socket)));
  }
  ::containerd::services::events::ttrpc::v1::ForwardRequest request;
  auto& envelope = *request.mutable_envelope();
  *envelope.mutable_timestamp() = ToTimestamp(event.at);
  envelope.set_namespace_(namespace_);
  envelope.set_topic(event.topic);
  // containerd's typeurl uses bare names.
  envelope.mutable_event()->set_type_url(event.type);
  envelope.mutable_event()->set_value(event.payload);
  google::protobuf::Empty response;
  return client_->Call(kService, "Forward", request, &response, {.timeout = kCallTimeout});
}

// False once it is time to give up.
bool EventPublisher::Pause(std::chrono::milliseconds span) {
  const auto until = std::chrono::system_clock::now() + span;
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, std::min(until, give_up_at_), [&] {
    return std::chrono::system_clock::now() >= std::min(until, give_up_at_);
  });
  return std::chrono::system_clock::now() < give_up_at_;
}

}  // namespace locket::runtime_shim
