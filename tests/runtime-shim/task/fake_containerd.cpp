#include "tests/runtime-shim/task/fake_containerd.h"

#include <google/protobuf/empty.pb.h>

#include <algorithm>
#include <chrono>

#include "proto/events.pb.h"
#include "proto/task_events.pb.h"
#include "rpc/transport.h"

namespace locket::runtime_shim {
namespace {

namespace events = ::containerd::events;
namespace v1 = ::containerd::services::events::ttrpc::v1;

template <typename Event>
std::string Summary(const v1::Envelope& envelope, bool with_status) {
  Event event;
  if (!event.ParseFromString(envelope.event().value())) return "does not parse";
  std::string text = envelope.topic() + " " + event.container_id();
  if constexpr (requires { event.exec_id(); }) text += "/" + event.exec_id();
  // A first process goes by its container's name; an exec that ends has one of its own.
  if constexpr (requires {
                  event.id();
                  event.exit_status();
                }) {
    if (!event.id().empty() && event.id() != event.container_id()) text += "/" + event.id();
  }
  if constexpr (requires { event.exit_status(); }) {
    if (with_status) text += " " + std::to_string(event.exit_status());
  }
  return text;
}

std::string Summary(const v1::Envelope& envelope) {
  const std::string& type = envelope.event().type_url();
  if (type == "containerd.events.TaskCreate") return Summary<events::TaskCreate>(envelope, false);
  if (type == "containerd.events.TaskStart") return Summary<events::TaskStart>(envelope, false);
  if (type == "containerd.events.TaskOOM") return Summary<events::TaskOOM>(envelope, false);
  if (type == "containerd.events.TaskExit") return Summary<events::TaskExit>(envelope, true);
  if (type == "containerd.events.TaskExecAdded") {
    return Summary<events::TaskExecAdded>(envelope, false);
  }
  if (type == "containerd.events.TaskExecStarted") {
    return Summary<events::TaskExecStarted>(envelope, false);
  }
  if (type == "containerd.events.TaskDelete") return Summary<events::TaskDelete>(envelope, true);
  return "unknown type " + type;
}

}  // namespace

FakeContainerd::FakeContainerd(const std::filesystem::path& socket)
    : listener_(rpc::ListenUnix(socket).value()) {
  methods_.Add<v1::ForwardRequest, google::protobuf::Empty>(
      "containerd.services.events.ttrpc.v1.Events", "Forward",
      [this](const rpc::CallContext&, const auto& request, auto*) -> Status {
        const std::lock_guard lock(mutex_);
        if (fail_ > 0) {
          --fail_;
          return Error(ErrorCode::kInternal, "made to fail");
        }
        namespace_ = request.envelope().namespace_();
        events_.push_back(Summary(request.envelope()));
        changed_.notify_all();
        return Ok();
      });
  server_ = rpc::TtrpcServer::Create(methods_);
  thread_ = std::jthread([this] { (void)server_->AcceptLoop(listener_.get()); });
}

FakeContainerd::~FakeContainerd() { server_->Stop(); }

void FakeContainerd::FailNext(int calls) {
  const std::lock_guard lock(mutex_);
  fail_ = calls;
}

std::vector<std::string> FakeContainerd::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

bool FakeContainerd::WaitEvent(const std::string& event) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20),
                           [&] { return std::ranges::find(events_, event) != events_.end(); });
}

std::string FakeContainerd::namespace_name() const {
  const std::lock_guard lock(mutex_);
  return namespace_;
}

}  // namespace locket::runtime_shim
