// A guest agent without a guest: serves proto/agent.proto on the guest's end of a channel. An exec
// goes by the name "container/exec".
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "rpc/ttrpc_server.h"

namespace locket::runtime_shim {

class FakeAgent {
 public:
  FakeAgent();
  ~FakeAgent();

  void Serve(UniqueFd channel);  // on a thread of its own
  void Die();                    // closes the channel

  // What a container does. Its output is complete; it ends when told or signalled.
  void SetOutput(const std::string& id, const std::string& out, const std::string& err);
  void End(const std::string& id, uint32_t status, bool oom_killed = false);
  // The call `method` fails with this text from now on; empty: works.
  void FailMethod(const std::string& method, const std::string& text);
  // From now on calls of `method` are noted and never answered while the agent lives.
  void HangMethod(const std::string& method);
  // Those that hang go on, and later ones do not hang.
  void ReleaseMethod(const std::string& method);
  // Signals are taken and end nothing.
  void KeepRunningWhenSignalled();
  void SetProtocol(uint32_t protocol);
  // Of the sandbox and each container created from now on.
  void SetLeftOut(std::vector<std::string> left_out);

  std::vector<std::string> calls() const;  // "Method id" in order; streams and waits left out
  std::string input(const std::string& id) const;
  bool input_closed(const std::string& id) const;
  std::string spec(const std::string& id) const;
  std::optional<std::string> network() const;                    // the sandbox's, serialized
  std::vector<std::string> layers(const std::string& id) const;  // "digest serial"
  // Until `calls` holds it so many times.
  bool WaitCall(const std::string& call, int times = 1) const;
  bool WaitInput(const std::string& id, const std::string& text, bool closed) const;

 private:
  struct Container {
    std::string output[2]{};
    std::string input{};
    std::string spec{};
    std::vector<std::string> layers{};
    bool input_closed = false;
    bool ended = false;
    bool deleted = false;
    uint32_t status = 0;
    bool oom_killed = false;
  };
  void AddLifeMethods();
  void AddStreamMethods();
  Status Note(const std::string& method, const std::string& id);
  bool Over(const std::string& id) const;  // mutex_ held

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Container> containers_;
  std::map<std::string, std::string> failures_;
  std::set<std::string> hanging_;
  bool immortal_ = false;
  std::vector<std::string> calls_;
  uint32_t protocol_ = 1;
  std::vector<std::string> left_out_;
  std::optional<std::string> network_;
  bool dead_ = false;

  rpc::TtrpcMethods methods_;
  std::unique_ptr<rpc::TtrpcServer> server_;
  std::jthread thread_;
};

}  // namespace locket::runtime_shim
