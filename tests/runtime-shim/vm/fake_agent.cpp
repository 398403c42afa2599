#include "tests/runtime-shim/vm/fake_agent.h"

#include <algorithm>
#include <chrono>

#include "proto/agent.pb.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::locket::agent::v1;
using rpc::CallContext;

constexpr const char* kService = "locket.agent.v1.Agent";
constexpr std::chrono::seconds kPatience{20};

// How execs stand beside containers.
template <typename Request>
std::string KeyOf(const Request& request) {
  if (request.exec_id().empty()) return request.container_id();
  return request.container_id() + "/" + request.exec_id();
}

}  // namespace

FakeAgent::FakeAgent() {
  AddLifeMethods();
  AddStreamMethods();
  server_ = rpc::TtrpcServer::Create(methods_);
}

FakeAgent::~FakeAgent() { Die(); }

void FakeAgent::Serve(UniqueFd channel) {
  thread_ = std::jthread(
      [this, fd = std::move(channel)]() mutable { (void)server_->Serve(std::move(fd)); });
}

void FakeAgent::Die() {
  {
    const std::lock_guard lock(mutex_);
    dead_ = true;
    changed_.notify_all();
  }
  server_->Stop();
}

Status FakeAgent::Note(const std::string& method, const std::string& id) {
  std::unique_lock lock(mutex_);
  calls_.push_back(id.empty() ? method : method + " " + id);
  changed_.notify_all();
  changed_.wait(lock, [&] { return dead_ || !hanging_.contains(method); });
  const auto failure = failures_.find(method);
  if (failure == failures_.end()) return Ok();
  return Error(ErrorCode::kPermissionDenied, failure->second);
}

bool FakeAgent::Over(const std::string& id) const {
  const auto found = containers_.find(id);
  return dead_ || found == containers_.end() || found->second.ended || found->second.deleted;
}

void FakeAgent::AddLifeMethods() {
  methods_.Add<v1::GetInfoRequest, v1::GetInfoResponse>(
      kService, "GetInfo", [this](const CallContext&, const auto&, auto* response) -> Status {
        response->set_version("fake");
        response->set_protocol(protocol_);
        return Note("GetInfo", "");
      });
  methods_.Add<v1::CreateSandboxRequest, v1::CreateSandboxResponse>(
      kService, "CreateSandbox",
      [this](const CallContext&, const auto& request, auto* response) -> Status {
        LOCKET_TRY(Note("CreateSandbox",
                        request.sandbox_id() + (request.scratch() ? " with scratch" : "")));
        const std::lock_guard lock(mutex_);
        if (request.has_network()) network_ = request.network().SerializeAsString();
        response->mutable_left_out()->Assign(left_out_.begin(), left_out_.end());
        return Ok();
      });
  methods_.Add<v1::PrepareRootfsRequest, v1::PrepareRootfsResponse>(
      kService, "PrepareRootfs", [this](const CallContext&, const auto& request, auto*) -> Status {
        LOCKET_TRY(Note("PrepareRootfs", request.container_id()));
        const std::lock_guard lock(mutex_);
        auto& container = containers_[request.container_id()];
        for (const auto& layer : request.layers()) {
          container.layers.push_back(layer.digest() + " " + layer.serial());
        }
        return Ok();
      });
  methods_.Add<v1::CreateContainerRequest, v1::CreateContainerResponse>(
      kService, "CreateContainer",
      [this](const CallContext&, const auto& request, auto* response) -> Status {
        LOCKET_TRY(Note("CreateContainer", request.container_id()));
        const std::lock_guard lock(mutex_);
        containers_[request.container_id()].spec = request.oci_spec();
        response->mutable_left_out()->Assign(left_out_.begin(), left_out_.end());
        return Ok();
      });
  methods_.Add<v1::StartContainerRequest, v1::StartContainerResponse>(
      kService, "StartContainer", [this](const CallContext&, const auto& request, auto*) {
        return Note("StartContainer", KeyOf(request));
      });
  methods_.Add<v1::WaitContainerRequest, v1::WaitContainerResponse>(
      kService, "WaitContainer",
      [this](const CallContext&, const auto& request, auto* response) -> Status {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return Over(KeyOf(request)); });
        response->set_exit_status(containers_[KeyOf(request)].status);
        response->set_oom_killed(containers_[KeyOf(request)].oom_killed);
        return Ok();
      });
  methods_.Add<v1::SignalContainerRequest, v1::SignalContainerResponse>(
      kService, "SignalContainer",
      [this](const CallContext&, const auto& request, auto*) -> Status {
        LOCKET_TRY(Note("SignalContainer", KeyOf(request)));
        const bool ends = [&] {
          const std::lock_guard lock(mutex_);
          return !immortal_;
        }();
        if (ends) End(KeyOf(request), 128 + request.signal());
        return Ok();
      });
  methods_.Add<v1::DeleteContainerRequest, v1::DeleteContainerResponse>(
      kService, "DeleteContainer",
      [this](const CallContext&, const auto& request, auto*) -> Status {
        LOCKET_TRY(Note("DeleteContainer", KeyOf(request)));
        const std::lock_guard lock(mutex_);
        const std::string key = KeyOf(request);
        for (auto& [name, process] : containers_) {  // its execs end with it
          process.deleted |= name == key || name.starts_with(key + "/");
        }
        changed_.notify_all();
        return Ok();
      });
  methods_.Add<v1::CreateExecRequest, v1::CreateExecResponse>(
      kService, "CreateExec", [this](const CallContext&, const auto& request, auto*) -> Status {
        LOCKET_TRY(Note("CreateExec", KeyOf(request)));
        const std::lock_guard lock(mutex_);
        containers_[KeyOf(request)].spec = request.process();
        return Ok();
      });
  methods_.Add<v1::ResizeTerminalRequest, v1::ResizeTerminalResponse>(
      kService, "ResizeTerminal", [this](const CallContext&, const auto& request, auto*) {
        return Note("ResizeTerminal", KeyOf(request) + " " + std::to_string(request.rows()) + "x" +
                                          std::to_string(request.columns()));
      });
  methods_.Add<v1::ShutdownRequest, v1::ShutdownResponse>(
      kService, "Shutdown",
      [this](const CallContext&, const auto&, auto*) { return Note("Shutdown", ""); });
}

void FakeAgent::AddStreamMethods() {
  methods_.Add<v1::ReadOutputRequest, v1::ReadOutputResponse>(
      kService, "ReadOutput",
      [this](const CallContext&, const auto& request, auto* response) -> Status {
        std::unique_lock lock(mutex_);
        const int stream = request.stream();
        changed_.wait(lock, [&] {
          return Over(KeyOf(request)) || !containers_[KeyOf(request)].output[stream].empty();
        });
        std::string& left = containers_[KeyOf(request)].output[stream];
        response->set_data(left.substr(0, request.max_bytes()));
        left.erase(0, request.max_bytes());
        response->set_eof(left.empty() && Over(KeyOf(request)));
        return Ok();
      });
  methods_.Add<v1::WriteInputRequest, v1::WriteInputResponse>(
      kService, "WriteInput", [this](const CallContext&, const auto& request, auto*) -> Status {
        const std::lock_guard lock(mutex_);
        containers_[KeyOf(request)].input += request.data();
        changed_.notify_all();
        return Ok();
      });
  methods_.Add<v1::CloseInputRequest, v1::CloseInputResponse>(
      kService, "CloseInput", [this](const CallContext&, const auto& request, auto*) -> Status {
        const std::lock_guard lock(mutex_);
        containers_[KeyOf(request)].input_closed = true;
        changed_.notify_all();
        return Ok();
      });
}

void FakeAgent::SetOutput(const std::string& id, const std::string& out, const std::string& err) {
  const std::lock_guard lock(mutex_);
  containers_[id].output[0] = out;
  containers_[id].output[1] = err;
  changed_.notify_all();
}

void FakeAgent::End(const std::string& id, uint32_t status, bool oom_killed) {
  const std::lock_guard lock(mutex_);
  containers_[id].oom_killed = oom_killed;
  containers_[id].status = status;
  containers_[id].ended = true;
  changed_.notify_all();
}

void FakeAgent::FailMethod(const std::string& method, const std::string& text) {
  const std::lock_guard lock(mutex_);
  failures_.erase(method);
  if (!text.empty()) failures_[method] = text;
}

void FakeAgent::HangMethod(const std::string& method) {
  const std::lock_guard lock(mutex_);
  hanging_.insert(method);
}

void FakeAgent::ReleaseMethod(const std::string& method) {
  const std::lock_guard lock(mutex_);
  hanging_.erase(method);
  changed_.notify_all();
}

void FakeAgent::KeepRunningWhenSignalled() {
  const std::lock_guard lock(mutex_);
  immortal_ = true;
}

void FakeAgent::SetProtocol(uint32_t protocol) { protocol_ = protocol; }

void FakeAgent::SetLeftOut(std::vector<std::string> left_out) {
  const std::lock_guard lock(mutex_);
  left_out_ = std::move(left_out);
}

std::vector<std::string> FakeAgent::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}
std::string FakeAgent::input(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return containers_.at(id).input;
}
bool FakeAgent::input_closed(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return containers_.at(id).input_closed;
}
std::optional<std::string> FakeAgent::network() const {
  const std::lock_guard lock(mutex_);
  return network_;
}

std::string FakeAgent::spec(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return containers_.at(id).spec;
}
std::vector<std::string> FakeAgent::layers(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return containers_.at(id).layers;
}

bool FakeAgent::WaitCall(const std::string& call, int times) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience,
                           [&] { return std::ranges::count(calls_, call) >= times; });
}

bool FakeAgent::WaitInput(const std::string& id, const std::string& text, bool closed) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    const auto found = containers_.find(id);
    return found != containers_.end() && found->second.input == text &&
           found->second.input_closed == closed;
  });
}

}  // namespace locket::runtime_shim
