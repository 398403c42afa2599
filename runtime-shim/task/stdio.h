// A process's standard streams: containerd's FIFOs on one side, the guest's agent on the other.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime-shim/vm/agent_client.h"

namespace locket::runtime_shim {

// Paths as containerd gives them; empty: not wanted.
struct StdioPaths {
  std::string in{};
  std::string out{};
  std::string err{};
};

// Output goes on while nobody has the FIFO open for reading, until the FIFO is full; then the
// container waits and the shim does not. Thread-safe.
class Stdio {
 public:
  // Opens without waiting for the other side. kInvalidArgument: a URI instead of a path.
  static Result<std::unique_ptr<Stdio>> Open(const StdioPaths& paths);
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  ~Stdio();  // stops; pending agent calls must end by themselves

  // Begins to pump. Once; `agent` must outlive the object. A terminal has no stderr of its own.
  void Start(AgentClient& agent, const GuestProcess& process, bool terminal);

  // The client will write no more: what is in the FIFO still goes to the container, then EOF.
  void CloseInput();

  // The process has ended. A client that still writes is told by EPIPE, as soon as the pump's agent
  // call ends, and no descriptor of the input stays open.
  void EndInput();

  // Waits until all output was delivered. False: not in time.
  bool WaitDrained(std::chrono::milliseconds timeout);

  // Gives up on readers and writers: pumps end as soon as their agent call does.
  void Stop();

  // Whether all pumps have ended, waiting up to `timeout`.
  bool WaitEnded(std::chrono::milliseconds timeout);

 private:
  Stdio() = default;
  void PumpOutput(AgentClient& agent, const GuestProcess& id, OutputStream stream, UniqueFd to);
  void PumpInput(AgentClient& agent, const GuestProcess& id, UniqueFd from);
  bool WriteAll(int fd, std::string_view bytes) const;
  void OneEnded(bool output);

  UniqueFd stop_;        // eventfd
  UniqueFd input_over_;  // eventfd
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd err_;

  std::mutex mutex_;
  std::condition_variable ended_;
  int outputs_running_ = 0;
  int pumps_running_ = 0;
  UniqueFd in_holder_;  // a writing end of our own: the client may come and go without an EOF

  std::vector<std::jthread> pumps_;  // last: they use the rest
};

}  // namespace locket::runtime_shim
