// The calls of the shim to the agent in the guest (proto/agent.proto).
//
// The host does not trust the answers. It uses them for the pod alone: a guest that lies about an
// exit status or about its output deceives only the user of this pod. Texts are cut to a bounded
// length (guest_text.h). An answer that does not come in time fails with kDeadlineExceeded, and the
// caller decides whether the VM has to end (docs/decisions/0033-what-a-guest-may-keep-waiting.md).
//
// A container's calls, in order: PrepareRootfs, CreateContainer, StartContainer, then
// WaitContainer, ReadOutput and WriteInput at the same time on threads of their own, and
// DeleteContainer. An exec's: CreateExec, StartContainer and the rest, with its exec_id.
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

// The pod, for CreateSandbox.
struct SandboxRequest {
  std::string id;
  std::string hostname{};
  const PodNetwork* network = nullptr;  // lent; null, or without interfaces: the pod has none
  DnsConfig dns{};
  bool with_scratch = false;  // the VM has a scratch disk
};

// Where the guest finds a layer. A hint only: the guest checks what it finds.
struct LayerHint {
  std::string digest;  // "sha256:<hex>" of the sealed layer
  std::string serial;  // of the disk that carries it
  bool operator==(const LayerHint&) const = default;
};

// An image to open as a container's root directory.
struct RootfsRequest {
  std::string container_id;
  std::string image_ref;  // for messages
  std::string manifest;   // the exact bytes
  std::string config;     // likewise
  std::vector<std::string> signatures{};
  std::vector<LayerHint> layers;
};

// A container to create on a prepared root directory.
struct AgentContainer {
  std::string id;
  std::string oci_spec;  // the bundle's config.json: a request, of which the guest grants some
  bool with_stdin;       // WriteInput will be used
  bool terminal;         // as the OCI spec says
};

// The name of a process in the guest: a container's first one, or with an exec ID one that was
// added to the container later.
struct GuestProcess {
  std::string container_id;
  std::string exec_id{};
};

// A process to add to a running container.
struct AgentExec {
  GuestProcess id;
  std::string process;  // "process" of an OCI spec, JSON
  bool with_stdin;
};

// In characters.
struct TerminalSize {
  uint32_t rows;
  uint32_t columns;
};

// How a process ended.
struct AgentExit {
  uint32_t status;  // 128 + signal for a death by signal
  // When the host learnt of it, on the host's clock. The guest's clock may be wrong.
  std::chrono::system_clock::time_point exited_at;
  bool oom_killed = false;  // a process of the container was killed because its memory ran out
};

enum class OutputStream { kStdout, kStderr };

struct Output {
  std::string data;
  bool eof;  // nothing more will come; `data` is empty
};

// One connection to one agent. Thread-safe. A call takes at most its argument `timeout` or, without
// one, the client's `call_timeout`; WaitContainer, ReadOutput and WriteInput have no limit. Errors
// of every call: kUnavailable, the connection has ended, and with it the agent or its VM;
// kDeadlineExceeded, no answer in time, so the guest may do it later or never. Other errors are the
// agent's refusal, in its words, cut to a bounded length.
class AgentClient {
 public:
  // Takes over `channel`, the host's end. `on_close` is called once, on a thread of the client,
  // when the connection ends by itself or breaks the protocol (rpc::TtrpcClient).
  static Result<std::unique_ptr<AgentClient>> Create(UniqueFd channel,
                                                     std::chrono::milliseconds call_timeout,
                                                     std::function<void(const Error&)> on_close);
  AgentClient(const AgentClient&) = delete;
  AgentClient& operator=(const AgentClient&) = delete;
  ~AgentClient();  // ends the connection; calls under way fail with kUnavailable

  // Waits until the agent answers. Returns the version of locket that the guest runs.
  // kFailedPrecondition: the agent speaks another protocol than this shim.
  Result<std::string> Greet(std::chrono::milliseconds timeout);
  // Tells the guest about the pod, once. Returns what of it the guest does not take, in the guest's
  // words, for the log.
  Result<std::vector<std::string>> CreateSandbox(const SandboxRequest& sandbox);
  // Has an image checked, its keys fetched and its layers opened. On failure nothing of it stays in
  // the guest. kPermissionDenied: the tenant's policy does not allow the image.
  Status PrepareRootfs(const RootfsRequest& request, std::chrono::milliseconds timeout);
  // Creates a container on its prepared root directory. Returns what the guest left out although
  // the OCI spec asks for it, in the guest's words, for the log. On failure the root directory
  // stays: DeleteContainer removes it. kPermissionDenied: the tenant's policy does not allow the
  // command.
  Result<std::vector<std::string>> CreateContainer(const AgentContainer& container);
  // Adds a process to a running container, for StartContainer to start.
  Status CreateExec(const AgentExec& exec);
  // Starts a process that was created.
  Status StartContainer(const GuestProcess& id);
  // Blocks until the process ends.
  Result<AgentExit> WaitContainer(const GuestProcess& id);
  // Sends a signal. `all`: to every process of the container. kNotFound: the process has ended.
  Status SignalContainer(const GuestProcess& id, uint32_t signal, bool all,
                         std::chrono::milliseconds timeout);
  // Kills what is left of the container or exec and removes it. Succeeds when it is gone already.
  Status DeleteContainer(const GuestProcess& id, std::chrono::milliseconds timeout);
  // Blocks until there is output or the stream ends. Returns at most `max_bytes`, which is 1 to 1
  // MiB.
  Result<Output> ReadOutput(const GuestProcess& id, OutputStream stream, uint32_t max_bytes);
  // Blocks until the process's pipe or terminal has taken all of `data`.
  Status WriteInput(const GuestProcess& id, std::string data);
  // Ends the input: the process reads an end of file after what was written.
  Status CloseInput(const GuestProcess& id);
  Status ResizeTerminal(const GuestProcess& id, const TerminalSize& size);
  // Asks the guest to end all containers and to power off. Returns before the VM is gone.
  Status Shutdown(std::chrono::milliseconds timeout);

 private:
  AgentClient(std::unique_ptr<rpc::TtrpcClient> rpc, std::chrono::milliseconds call_timeout);
  // Without a timeout the call takes as long as the agent lives.
  Status Call(std::string_view method, const google::protobuf::MessageLite& request,
              google::protobuf::MessageLite* response,
              std::optional<std::chrono::milliseconds> timeout);

  const std::unique_ptr<rpc::TtrpcClient> rpc_;
  const std::chrono::milliseconds call_timeout_;
};

}  // namespace locket::runtime_shim
