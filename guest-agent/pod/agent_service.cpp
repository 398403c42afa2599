#include "guest-agent/pod/agent_service.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/version.h"
#include "proto/agent.pb.h"

namespace locket::guest_agent {
namespace {

namespace api = agent::v1;

constexpr char kService[] = "locket.agent.v1.Agent";
constexpr uint32_t kProtocol = 1;
constexpr uint32_t kMaxReadBytes = 1U << 20;
constexpr int kMaxLayerHints = 1024;

using Context = rpc::CallContext;

// Registers one method; a failure is logged here, once, and told to the shim.
template <typename Request, typename Response>
void Add(rpc::TtrpcMethods& methods, const char* method,
         std::function<Status(const Request&, Response*)> handler) {
  methods.Add<Request, Response>(
      kService, method,
      [method, handler = std::move(handler)](const Context&, const Request& request,
                                             Response* response) {
        Status done = handler(request, response);
        if (!done.ok()) log::Error("call failed", {{"method", method}, log::Field(done.error())});
        return done;
      });
}

Result<guest_mounter::OpenRequest> OpenRequestFrom(const api::PrepareRootfsRequest& request) {
  if (request.layers_size() > kMaxLayerHints) {
    return Error(ErrorCode::kInvalidArgument, "too many layer hints");
  }
  guest_mounter::OpenRequest open{.manifest = request.manifest(), .config = request.config()};
  for (const auto& hint : request.layers()) open.serials[hint.digest()] = hint.serial();
  return open;
}

void AddPodMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox) {
  Add<api::GetInfoRequest, api::GetInfoResponse>(methods, "GetInfo",
                                                 [](const auto&, auto* response) {
                                                   response->set_version(std::string(kVersion));
                                                   response->set_protocol(kProtocol);
                                                   return Ok();
                                                 });
  Add<api::CreateSandboxRequest, api::CreateSandboxResponse>(
      methods, "CreateSandbox", [&sandbox](const auto& request, auto* response) -> Status {
        std::optional<GuestNetwork> network;
        if (request.has_network()) {
          LOCKET_TRY_ASSIGN(network, DecodeNetwork(request.network()));
        }
        if (request.scratch()) LOCKET_TRY(sandbox.OpenScratch());
        LOCKET_TRY_ASSIGN(const auto left_out,
                          sandbox.Create(request.sandbox_id(), request.hostname(),
                                         network ? &*network : nullptr));
        response->mutable_left_out()->Assign(left_out.begin(), left_out.end());
        return Ok();
      });
  Add<api::PrepareRootfsRequest, api::PrepareRootfsResponse>(
      methods, "PrepareRootfs", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(const auto open, OpenRequestFrom(request));
        return sandbox.PrepareRootfs(request.container_id(), open)
            .While("open image '" + request.image_ref() + "'");
      });
}

// Of a request about one process.
template <typename Request>
Result<std::shared_ptr<GuestProcess>> ProcessOf(Sandbox& sandbox, const Request& request) {
  return sandbox.FindProcess(request.container_id(), request.exec_id());
}

void AddContainerMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox) {
  Add<api::CreateContainerRequest, api::CreateContainerResponse>(
      methods, "CreateContainer", [&sandbox](const auto& request, auto* response) -> Status {
        LOCKET_TRY_ASSIGN(auto container, sandbox.Find(request.container_id()));
        LOCKET_TRY_ASSIGN(const auto left_out,
                          container->Create(request.oci_spec(), sandbox.policy(), request.stdin()));
        response->mutable_left_out()->Assign(left_out.begin(), left_out.end());
        return Ok();
      });
  Add<api::StartContainerRequest, api::StartContainerResponse>(
      methods, "StartContainer", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        return process->Start();
      });
  Add<api::WaitContainerRequest, api::WaitContainerResponse>(
      methods, "WaitContainer", [&sandbox](const auto& request, auto* response) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        LOCKET_TRY_ASSIGN(const auto exit, process->Wait());
        response->set_exit_status(static_cast<uint32_t>(exit.exit_status));
        response->set_oom_killed(exit.oom_killed);
        const auto since_epoch =
            std::chrono::duration_cast<std::chrono::nanoseconds>(exit.at.time_since_epoch())
                .count();
        response->mutable_exited_at()->set_seconds(since_epoch / 1'000'000'000);
        response->mutable_exited_at()->set_nanos(static_cast<int32_t>(since_epoch % 1'000'000'000));
        return Ok();
      });
  Add<api::SignalContainerRequest, api::SignalContainerResponse>(
      methods, "SignalContainer", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        return process->Signal(static_cast<int>(request.signal()), request.all());
      });
  Add<api::DeleteContainerRequest, api::DeleteContainerResponse>(
      methods, "DeleteContainer", [&sandbox](const auto& request, auto*) -> Status {
        if (request.exec_id().empty()) return sandbox.Delete(request.container_id());
        const auto container = sandbox.Find(request.container_id());
        return container.ok() ? (*container)->DeleteExec(request.exec_id()) : Ok();
      });
}

void AddExecMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox) {
  Add<api::CreateExecRequest, api::CreateExecResponse>(
      methods, "CreateExec", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto container, sandbox.Find(request.container_id()));
        return container->CreateExec(request.exec_id(), request.process(), sandbox.policy(),
                                     request.stdin());
      });
  Add<api::ResizeTerminalRequest, api::ResizeTerminalResponse>(
      methods, "ResizeTerminal", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        if (request.rows() > UINT16_MAX || request.columns() > UINT16_MAX) {
          return Error(ErrorCode::kInvalidArgument,
                       "a terminal has at most 65535 rows and columns");
        }
        return process->Resize({.rows = static_cast<uint16_t>(request.rows()),
                                .columns = static_cast<uint16_t>(request.columns())});
      });
}

void AddStreamMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox) {
  Add<api::ReadOutputRequest, api::ReadOutputResponse>(
      methods, "ReadOutput", [&sandbox](const auto& request, auto* response) -> Status {
        if (request.max_bytes() < 1 || request.max_bytes() > kMaxReadBytes) {
          return Error(ErrorCode::kInvalidArgument, "max_bytes is not 1 to 1048576");
        }
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        const auto stream = request.stream() == api::OUTPUT_STREAM_STDERR ? OutputStream::kStderr
                                                                          : OutputStream::kStdout;
        LOCKET_TRY_ASSIGN(auto output, process->Read(stream, request.max_bytes()));
        response->set_data(std::move(output.data));
        response->set_eof(output.end);
        return Ok();
      });
  Add<api::WriteInputRequest, api::WriteInputResponse>(
      methods, "WriteInput", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        return process->WriteInput(request.data());
      });
  Add<api::CloseInputRequest, api::CloseInputResponse>(
      methods, "CloseInput", [&sandbox](const auto& request, auto*) -> Status {
        LOCKET_TRY_ASSIGN(auto process, ProcessOf(sandbox, request));
        process->CloseInput();
        return Ok();
      });
}

}  // namespace

void AddAgentMethods(rpc::TtrpcMethods& methods, Sandbox& sandbox,
                     const std::function<void()>& shutdown) {
  AddPodMethods(methods, sandbox);
  AddContainerMethods(methods, sandbox);
  AddExecMethods(methods, sandbox);
  AddStreamMethods(methods, sandbox);
  Add<api::ShutdownRequest, api::ShutdownResponse>(methods, "Shutdown",
                                                   [&sandbox, &shutdown](const auto&, auto*) {
                                                     sandbox.DeleteAll();
                                                     shutdown();
                                                     return Ok();
                                                   });
}

}  // namespace locket::guest_agent
