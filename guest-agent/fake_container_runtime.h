// Containers that exist in a map; their "processes" end when a test says so. Can break at a chosen
// call.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "guest-agent/container_runtime.h"

namespace locket::guest_agent {

class FakeContainerRuntime final : public ContainerRuntime {
 public:
  struct Container {
    pid_t pid;
    bool started = false;
    bool ended = false;
    std::string config{};                           // config.json as it was at Create
    std::vector<std::pair<int, bool>> signals{};    // number, all
    UniqueFd stdin_fd{}, stdout_fd{}, stderr_fd{};  // copies, as a real process has them
  };

  // Where PID 1 would write how containers end: a pipe whose other end ExitNotices reads.
  explicit FakeContainerRuntime(UniqueFd exit_records) : exit_records_(std::move(exit_records)) {}

  // The container's first process ends, as waitpid(2) would say it.
  void End(const std::string& id, int wait_status);

  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  std::map<std::string, Container>& containers() { return containers_; }

  Result<pid_t> Create(const CreateOptions& options) override;
  Status Start(const std::string& id) override;
  Status Kill(const std::string& id, int signal, bool all) override;
  Result<std::vector<pid_t>> Processes(const std::string& id) override;
  Status Delete(const std::string& id) override;

 private:
  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }
  Result<Container*> Get(const std::string& id);

  UniqueFd exit_records_;
  std::map<std::string, Container> containers_;
  pid_t next_pid_ = 1000;
  int countdown_ = 0;
};

}  // namespace locket::guest_agent
