// A process's standard streams: containerd's FIFOs on one side, the guest's agent on the other. A
// thread for each stream ("pump") copies between them.
//
//   auto stdio = Stdio::Open(paths);          // before the process is created
//   stdio->Start(agent, process, terminal);   // once it is created
//   ...
//   stdio->EndInput();                        // it has ended
//   stdio->WaitDrained(kDrainTime);           // its output has reached the client
//   stdio->Stop();                            // before the guest deletes the process
//   stdio->WaitEnded(kAgentLetGoTime);        // no pump uses the agent any more
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

// Paths of FIFOs, as containerd gives them; empty: the stream is not wanted.
struct StdioPaths {
  std::string in{};
  std::string out{};
  std::string err{};
};

// Output is read from the guest also while nobody has the FIFO open for reading, until the FIFO is
// full. Then the container waits, and the shim does not. Thread-safe.
class Stdio {
 public:
  // Opens the FIFOs. Does not wait until a client opens their other ends. kInvalidArgument: a path
  // is a URI, of which the shim supports none.
  static Result<std::unique_ptr<Stdio>> Open(const StdioPaths& paths);
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  ~Stdio();  // stops, and waits for the pumps: their calls to the agent must end by themselves

  // Starts the pumps. Once. `agent` must outlive the object. With a terminal there is one output,
  // stdout.
  void Start(AgentClient& agent, const GuestProcess& process, bool terminal);

  // The client will not write any more: what is in the FIFO still goes to the container, and then
  // the end of file.
  void CloseInput();

  // The process has ended: closes the input, as soon as the pump's call to the agent ends. A client
  // that still writes gets EPIPE.
  void EndInput();

  // Waits until all output was written to the FIFOs. Returns false if `timeout` was not enough.
  bool WaitDrained(std::chrono::milliseconds timeout);

  // Gives the clients up: each pump ends as soon as its call to the agent does.
  void Stop();

  // Waits up to `timeout` until all pumps have ended. Returns whether they have.
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
  // A writing end of the input's FIFO, so that it does not end when a client closes its own.
  UniqueFd in_holder_;

  std::vector<std::jthread> pumps_;  // last: they use the rest
};

}  // namespace locket::runtime_shim
