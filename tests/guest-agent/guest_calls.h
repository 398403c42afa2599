// The calls a shim makes of a guest's agent.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "proto/agent.pb.h"
#include "tests/guest-agent/sealed_fixture.h"
#include "tests/guest-agent/vm.h"

namespace locket::guest_agent {

namespace api = agent::v1;
using Json = nlohmann::json;

constexpr auto kCallTimeout = std::chrono::seconds(90);

// One guest, and the calls that a shim makes of it.
class Guest {
 public:
  explicit Guest(std::unique_ptr<Vm> vm) : vm_(std::move(vm)) {}

  template <typename Response, typename Request>
  Result<Response> Call(const char* method, const Request& request) {
    Response response;
    LOCKET_TRY(vm_->agent().Call("locket.agent.v1.Agent", method, request, &response,
                                 {.timeout = kCallTimeout}));
    return response;
  }

  Result<api::GetInfoResponse> GetInfo() {
    return Call<api::GetInfoResponse>("GetInfo", api::GetInfoRequest());
  }

  Result<api::CreateSandboxResponse> CreateSandbox(
      const std::optional<api::Network>& network = std::nullopt) {
    api::CreateSandboxRequest request;
    request.set_sandbox_id("pod");
    request.set_hostname("pod-host");
    if (network) *request.mutable_network() = *network;
    return Call<api::CreateSandboxResponse>("CreateSandbox", request);
  }

  Result<api::PrepareRootfsResponse> Prepare(const std::string& id, const FixtureImage& image) {
    api::PrepareRootfsRequest request;
    request.set_container_id(id);
    request.set_image_ref("registry/" + id);
    request.set_manifest(image.manifest);
    request.set_config(image.config);
    for (const auto& layer : image.layers) {
      auto* hint = request.add_layers();
      hint->set_digest(layer.descriptor.digest.ToText());
      hint->set_serial(layer.descriptor.digest.Hex().substr(0, 32));
    }
    return Call<api::PrepareRootfsResponse>("PrepareRootfs", request);
  }

  Result<api::CreateContainerResponse> Create(const std::string& id, const Json& spec,
                                              bool with_stdin = false) {
    api::CreateContainerRequest request;
    request.set_container_id(id);
    request.set_oci_spec(spec.dump());
    request.set_stdin(with_stdin);
    return Call<api::CreateContainerResponse>("CreateContainer", request);
  }

  // `process`: as in an OCI spec. Where a call takes an exec's name it is about that exec.
  Status CreateExec(const std::string& id, const std::string& exec_id, const Json& process,
                    bool with_stdin = false) {
    api::CreateExecRequest request;
    request.set_container_id(id);
    request.set_exec_id(exec_id);
    request.set_process(process.dump());
    request.set_stdin(with_stdin);
    LOCKET_TRY(Call<api::CreateExecResponse>("CreateExec", request));
    return Ok();
  }
  Status Resize(const std::string& id, const std::string& exec_id, uint32_t rows,
                uint32_t columns) {
    api::ResizeTerminalRequest request;
    request.set_container_id(id);
    request.set_exec_id(exec_id);
    request.set_rows(rows);
    request.set_columns(columns);
    LOCKET_TRY(Call<api::ResizeTerminalResponse>("ResizeTerminal", request));
    return Ok();
  }

  // A request that names a process and nothing else.
  template <typename Response, typename Request>
  Result<Response> For(const char* method, const std::string& id, const std::string& exec_id = "") {
    Request request;
    request.set_container_id(id);
    if constexpr (requires { request.set_exec_id(exec_id); }) request.set_exec_id(exec_id);
    return Call<Response>(method, request);
  }
  Status Start(const std::string& id, const std::string& exec_id = "") {
    LOCKET_TRY((For<api::StartContainerResponse, api::StartContainerRequest>("StartContainer", id,
                                                                             exec_id)));
    return Ok();
  }
  Result<uint32_t> Wait(const std::string& id, const std::string& exec_id = "") {
    LOCKET_TRY_ASSIGN(const auto exit, (For<api::WaitContainerResponse, api::WaitContainerRequest>(
                                           "WaitContainer", id, exec_id)));
    return exit.exit_status();
  }
  Status Delete(const std::string& id, const std::string& exec_id = "") {
    LOCKET_TRY((For<api::DeleteContainerResponse, api::DeleteContainerRequest>("DeleteContainer",
                                                                               id, exec_id)));
    return Ok();
  }

  Result<std::string> ReadAll(const std::string& id, api::OutputStream stream,
                              const std::string& exec_id = "") {
    std::string all;
    for (;;) {
      api::ReadOutputRequest request;
      request.set_container_id(id);
      request.set_stream(stream);
      request.set_max_bytes(65536);
      request.set_exec_id(exec_id);
      LOCKET_TRY_ASSIGN(const auto output, Call<api::ReadOutputResponse>("ReadOutput", request));
      if (output.eof()) return all;
      all += output.data();
    }
  }

  Status Signal(const std::string& id, uint32_t signal, bool all = false,
                const std::string& exec_id = "") {
    api::SignalContainerRequest request;
    request.set_container_id(id);
    request.set_exec_id(exec_id);
    request.set_signal(signal);
    request.set_all(all);
    LOCKET_TRY(Call<api::SignalContainerResponse>("SignalContainer", request));
    return Ok();
  }

  Status Write(const std::string& id, const std::string& data, const std::string& exec_id = "") {
    api::WriteInputRequest request;
    request.set_container_id(id);
    request.set_exec_id(exec_id);
    request.set_data(data);
    LOCKET_TRY(Call<api::WriteInputResponse>("WriteInput", request));
    return Ok();
  }
  Status CloseInput(const std::string& id) {
    LOCKET_TRY((For<api::CloseInputResponse, api::CloseInputRequest>("CloseInput", id)));
    return Ok();
  }

  Vm& vm() { return *vm_; }

 private:
  std::unique_ptr<Vm> vm_;
};

}  // namespace locket::guest_agent
