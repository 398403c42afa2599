#include "runtime-shim/vm/agent_client.h"

#include "proto/agent.pb.h"
#include "rpc/ttrpc_client.h"
#include "runtime-shim/vm/guest_text.h"
#include "runtime-shim/vm/network_message.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::locket::agent::v1;
using std::chrono::milliseconds;

constexpr std::string_view kService = "locket.agent.v1.Agent";
constexpr uint32_t kProtocol = 1;

template <typename Request>
Request ForContainer(const std::string& id) {
  Request request;
  request.set_container_id(id);
  return request;
}

template <typename Request>
Request ForProcess(const GuestProcess& id) {
  auto request = ForContainer<Request>(id.container_id);
  request.set_exec_id(id.exec_id);
  return request;
}

}  // namespace

Result<std::unique_ptr<AgentClient>> AgentClient::Create(
    UniqueFd channel, milliseconds call_timeout, std::function<void(const Error&)> on_close) {
  LOCKET_TRY_ASSIGN(auto rpc, rpc::TtrpcClient::Create(std::move(channel), std::move(on_close)));
  return std::unique_ptr<AgentClient>(new AgentClient(std::move(rpc), call_timeout));
}

AgentClient::AgentClient(std::unique_ptr<rpc::TtrpcClient> rpc, milliseconds call_timeout)
    : rpc_(std::move(rpc)), call_timeout_(call_timeout) {}
AgentClient::~AgentClient() = default;

Status AgentClient::Call(std::string_view method, const google::protobuf::MessageLite& request,
                         google::protobuf::MessageLite* response,
                         std::optional<milliseconds> timeout) {
  const Status done = rpc_->Call(kService, method, request, response, {.timeout = timeout});
  if (done.ok()) return done;
  return Error(done.error().code(), GuestText(done.error().message()));
}

Result<std::string> AgentClient::Greet(milliseconds timeout) {
  v1::GetInfoResponse response;
  LOCKET_TRY(Call("GetInfo", v1::GetInfoRequest(), &response, timeout));
  if (response.protocol() != kProtocol) {
    return Error(ErrorCode::kFailedPrecondition, "the guest's agent speaks protocol " +
                                                     std::to_string(response.protocol()) +
                                                     ", this shim " + std::to_string(kProtocol));
  }
  return GuestText(response.version());
}

Result<std::vector<std::string>> AgentClient::CreateSandbox(const SandboxRequest& sandbox) {
  v1::CreateSandboxRequest request;
  request.set_sandbox_id(sandbox.id);
  request.set_hostname(sandbox.hostname);
  request.set_scratch(sandbox.with_scratch);
  if (sandbox.network != nullptr && !sandbox.network->interfaces.empty()) {
    *request.mutable_network() = NetworkMessage(*sandbox.network, sandbox.dns);
  }
  v1::CreateSandboxResponse response;
  LOCKET_TRY(Call("CreateSandbox", request, &response, call_timeout_));
  return std::vector<std::string>(response.left_out().begin(), response.left_out().end());
}

Status AgentClient::PrepareRootfs(const RootfsRequest& rootfs, milliseconds timeout) {
  auto request = ForContainer<v1::PrepareRootfsRequest>(rootfs.container_id);
  request.set_image_ref(rootfs.image_ref);
  request.set_manifest(rootfs.manifest);
  request.set_config(rootfs.config);
  for (const std::string& signature : rootfs.signatures) request.add_signatures(signature);
  for (const LayerHint& layer : rootfs.layers) {
    auto* hint = request.add_layers();
    hint->set_digest(layer.digest);
    hint->set_serial(layer.serial);
  }
  v1::PrepareRootfsResponse response;
  return Call("PrepareRootfs", request, &response, timeout);
}

Result<std::vector<std::string>> AgentClient::CreateContainer(const AgentContainer& container) {
  auto request = ForContainer<v1::CreateContainerRequest>(container.id);
  request.set_oci_spec(container.oci_spec);
  request.set_stdin(container.with_stdin);
  request.set_terminal(container.terminal);
  v1::CreateContainerResponse response;
  LOCKET_TRY(Call("CreateContainer", request, &response, call_timeout_));
  return std::vector<std::string>(response.left_out().begin(), response.left_out().end());
}

Status AgentClient::CreateExec(const AgentExec& exec) {
  auto request = ForProcess<v1::CreateExecRequest>(exec.id);
  request.set_process(exec.process);
  request.set_stdin(exec.with_stdin);
  v1::CreateExecResponse response;
  return Call("CreateExec", request, &response, call_timeout_);
}

Status AgentClient::StartContainer(const GuestProcess& id) {
  v1::StartContainerResponse response;
  return Call("StartContainer", ForProcess<v1::StartContainerRequest>(id), &response,
              call_timeout_);
}

Result<AgentExit> AgentClient::WaitContainer(const GuestProcess& id) {
  v1::WaitContainerResponse response;
  LOCKET_TRY(
      Call("WaitContainer", ForProcess<v1::WaitContainerRequest>(id), &response, std::nullopt));
  // The guest's clock may be anything; the host's is the one its users compare with.
  return AgentExit{.status = response.exit_status(),
                   .exited_at = std::chrono::system_clock::now(),
                   .oom_killed = response.oom_killed()};
}

Status AgentClient::SignalContainer(const GuestProcess& id, uint32_t signal, bool all,
                                    milliseconds timeout) {
  auto request = ForProcess<v1::SignalContainerRequest>(id);
  request.set_signal(signal);
  request.set_all(all);
  v1::SignalContainerResponse response;
  return Call("SignalContainer", request, &response, timeout);
}

Status AgentClient::DeleteContainer(const GuestProcess& id, milliseconds timeout) {
  v1::DeleteContainerResponse response;
  return Call("DeleteContainer", ForProcess<v1::DeleteContainerRequest>(id), &response, timeout);
}

Result<Output> AgentClient::ReadOutput(const GuestProcess& id, OutputStream stream,
                                       uint32_t max_bytes) {
  auto request = ForProcess<v1::ReadOutputRequest>(id);
  request.set_stream(stream == OutputStream::kStdout ? v1::OUTPUT_STREAM_STDOUT
                                                     : v1::OUTPUT_STREAM_STDERR);
  request.set_max_bytes(max_bytes);
  v1::ReadOutputResponse response;
  LOCKET_TRY(Call("ReadOutput", request, &response, std::nullopt));
  return Output{.data = std::move(*response.mutable_data()), .eof = response.eof()};
}

Status AgentClient::WriteInput(const GuestProcess& id, std::string data) {
  auto request = ForProcess<v1::WriteInputRequest>(id);
  request.set_data(std::move(data));
  v1::WriteInputResponse response;
  // No limit: a container that does not read its input may do so for as long as it lives.
  return Call("WriteInput", request, &response, std::nullopt);
}

Status AgentClient::CloseInput(const GuestProcess& id) {
  v1::CloseInputResponse response;
  return Call("CloseInput", ForProcess<v1::CloseInputRequest>(id), &response, call_timeout_);
}

Status AgentClient::ResizeTerminal(const GuestProcess& id, const TerminalSize& size) {
  auto request = ForProcess<v1::ResizeTerminalRequest>(id);
  request.set_rows(size.rows);
  request.set_columns(size.columns);
  v1::ResizeTerminalResponse response;
  return Call("ResizeTerminal", request, &response, call_timeout_);
}

Status AgentClient::Shutdown(milliseconds timeout) {
  v1::ShutdownResponse response;
  return Call("Shutdown", v1::ShutdownRequest(), &response, timeout);
}

}  // namespace locket::runtime_shim
