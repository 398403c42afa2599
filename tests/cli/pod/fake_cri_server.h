// A containerd that keeps its promises without running anything: sandboxes and containers are
// entries in a table, a container writes what the test says into its CRI log and ends.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace locket::cli {

class FakeCriServer {
 public:
  struct Script {
    std::string log = "t stdout F hello\n";  // written at start
    int exit_code = 0;
    bool runs_on = false;        // until stopped
    bool state_unknown = false;  // containerd lost it
    std::string message{};       // of its status
    std::string reason{};        // likewise
    std::string exec_out{};      // what a command run in it prints
    std::string exec_err{};
  };

  struct Sandbox {
    std::string name;
    std::string uid;
    std::string runtime_handler;
    std::map<std::string, std::string> annotations{};
    std::string log_directory;
    bool host_network;
    std::string cgroup_parent{};
    bool ready = true;
  };

  struct Container {
    std::string sandbox;
    std::string name;
    std::string image;
    std::vector<std::string> command{};
    std::vector<std::string> mounts{};  // "container path=host path"
    int64_t memory_limit = 0;
    std::string log_path;
    bool running = false;
    bool exited = false;
    int exit_code = 0;
    std::vector<std::string> exec{};  // the last one's command, and its timeout
  };

  explicit FakeCriServer(const std::string& socket);
  ~FakeCriServer();

  // Set before the command runs.
  Script script;
  std::string fail_method{};  // answers INTERNAL "MESSAGE" there
  std::string fail_message = "broken on purpose";
  int removals_refused = 0;   // the next ones, as of a pod whose shim was killed a moment ago
  std::string hang_method{};  // answers once the caller gives up
  bool foreign_pod = false;   // lists a pod that another tool made

  std::vector<std::string> calls();
  // The runtime of the last image that was pulled: by its own field, '|', by the annotation.
  std::string pulled_for();
  std::map<std::string, Sandbox> sandboxes();
  std::map<std::string, Container> containers();
  // Until a container runs.
  void WaitForRunning();
  // Until `method` was called.
  void WaitForCall(const std::string& method);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace locket::cli
