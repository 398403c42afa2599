// For tests: containers that exist in a map only. Their "processes" end when a test says so, and a
// chosen call can be made to fail. For the thread of the test; only OomKilled may be called from
// other threads.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "guest-agent/process/container_runtime.h"

namespace locket::guest_agent {

class FakeContainerRuntime final : public ContainerRuntime {
 public:
  struct Container {
    pid_t pid;
    bool started = false;
    bool ended = false;
    bool oom_killed = false;
    std::string config{};                         // config.json as it was at Create
    std::vector<std::pair<int, bool>> signals{};  // number, all
    // Copies, as a real process has them; with a terminal all are its slave's.
    UniqueFd stdin_fd{}, stdout_fd{}, stderr_fd{};
  };
  struct FakeExec {
    pid_t pid;
    std::string container_id;
    std::string process{};  // kExecProcessFile as it was
    std::vector<int> signals{};
    bool ended = false;
    UniqueFd stdin_fd{}, stdout_fd{}, stderr_fd{};
  };

  // Where PID 1 would write how containers end: a pipe whose other end ExitNotices reads.
  explicit FakeContainerRuntime(UniqueFd exit_records) : exit_records_(std::move(exit_records)) {}

  // The container's first process ends, as waitpid(2) would say it, and kills its execs.
  void End(const std::string& id, int wait_status);

  // An exec ends; `name` is its directory's.
  void EndExec(const std::string& name, int wait_status);

  // Makes the nth call from now (1 = the next) fail; later calls work again.
  void FailCall(int nth) { countdown_ = nth; }
  std::map<std::string, Container>& containers() { return containers_; }
  std::map<std::string, FakeExec>& execs() { return execs_; }  // by their directories' names

  Result<StartedProcess> Create(const CreateOptions& options) override;
  Status Start(const std::string& id) override;
  Status Kill(const std::string& id, int signal, bool all) override;
  Result<StartedProcess> Exec(const ExecOptions& options) override;
  Status KillExec(const std::string& container_id, pid_t pid, int signal) override;
  Result<bool> OomKilled(const std::string& id) override;
  Status Delete(const std::string& id) override;

 private:
  bool Trip() { return countdown_ > 0 && --countdown_ == 0; }
  Result<Container*> Get(const std::string& id);

  void Report(pid_t pid, int wait_status);

  UniqueFd exit_records_;
  std::mutex mutex_;  // for OomKilled, against Create and Delete
  std::map<std::string, Container> containers_;
  std::map<std::string, FakeExec> execs_;
  pid_t next_pid_ = 1000;
  int countdown_ = 0;
};

}  // namespace locket::guest_agent
