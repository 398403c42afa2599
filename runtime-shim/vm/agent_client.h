// The guest agent, as the shim calls it (proto/agent.proto). Everything it answers is untrusted by
// the tenant but good enough for the host: it is the host's own guest that lies to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/host/pod_network.h"
#include "runtime-shim/host/resolv_conf.h"

namespace google::protobuf {
class MessageLite;
}
namespace locket::rpc {
class TtrpcClient;
}

namespace locket::runtime_shim {

struct SandboxRequest {
  std::string id;
  std::string hostname{};
  const PodNetwork* network = nullptr;  // null, or without interfaces: none
  DnsConfig dns{};
  bool with_scratch = false;  // the VM has a scratch disk
};

struct LayerHint {
  std::string digest;  // "sha256:<hex>"
  std::string serial;
  bool operator==(const LayerHint&) const = default;
};

struct RootfsRequest {
  std::string container_id;
  std::string image_ref;
  std::string manifest;  // the exact bytes
  std::string config;    // likewise
  std::vector<std::string> signatures{};
  std::vector<LayerHint> layers;
};

struct AgentContainer {
  std::string id;
  std::string oci_spec;
  bool with_stdin;
  bool terminal;
};

// A container's first process, or with an exec ID one that the host runs besides it.
struct GuestProcess {
  std::string container_id;
  std::string exec_id{};
};

struct AgentExec {
  GuestProcess id;
  std::string process;  // "process" of an OCI spec, JSON
  bool with_stdin;
};

struct TerminalSize {
  uint32_t rows;
  uint32_t columns;
};

struct AgentExit {
  uint32_t status;
  std::chrono::system_clock::time_point exited_at;
  bool oom_killed = false;
};

enum class OutputStream { kStdout, kStderr };

struct Output {
  std::string data;
  bool eof;
};

// Thread-safe. Calls without a limit of their own take at most `call_timeout`; WaitContainer and
// ReadOutput wait as long as the agent lives. kUnavailable: it does not any more.
class AgentClient {
 public:
  // `on_close`, as rpc::TtrpcClient's.
  static Result<std::unique_ptr<AgentClient>> Create(UniqueFd channel,
                                                     std::chrono::milliseconds call_timeout,
                                                     std::function<void(const Error&)> on_close);
  AgentClient(const AgentClient&) = delete;
  AgentClient& operator=(const AgentClient&) = delete;
  ~AgentClient();

  // Waits until the agent answers at all, and returns its version. kFailedPrecondition: it speaks
  // another protocol.
  Result<std::string> Greet(std::chrono::milliseconds timeout);
  // What the guest does not take of the pod although it was given, in its words.
  Result<std::vector<std::string>> CreateSandbox(const SandboxRequest& sandbox);
  Status PrepareRootfs(const RootfsRequest& request, std::chrono::milliseconds timeout);
  // What the guest left out of the container although the spec asks for it, in its words.
  Result<std::vector<std::string>> CreateContainer(const AgentContainer& container);
  Status CreateExec(const AgentExec& exec);
  Status StartContainer(const GuestProcess& id);
  Result<AgentExit> WaitContainer(const GuestProcess& id);
  Status SignalContainer(const GuestProcess& id, uint32_t signal, bool all,
                         std::chrono::milliseconds timeout);
  Status DeleteContainer(const GuestProcess& id, std::chrono::milliseconds timeout);
  Result<Output> ReadOutput(const GuestProcess& id, OutputStream stream, uint32_t max_bytes);
  Status WriteInput(const GuestProcess& id, std::string data);
  Status CloseInput(const GuestProcess& id);
  Status ResizeTerminal(const GuestProcess& id, const TerminalSize& size);
  Status Shutdown(std::chrono::milliseconds timeout);

 private:
  AgentClient(std::unique_ptr<rpc::TtrpcClient> rpc, std::chrono::milliseconds call_timeout);
  // No timeout: for what may take as long as the agent lives. The guest's error texts are cut.
  Status Call(std::string_view method, const google::protobuf::MessageLite& request,
              google::protobuf::MessageLite* response,
              std::optional<std::chrono::milliseconds> timeout);

  const std::unique_ptr<rpc::TtrpcClient> rpc_;
  const std::chrono::milliseconds call_timeout_;
};

}  // namespace locket::runtime_shim
