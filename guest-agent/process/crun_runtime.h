// ContainerRuntime by Debian's crun, one run of the program for each call.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "guest-agent/process/container_runtime.h"

namespace locket::guest_agent {

struct CrunPaths {
  std::string program = "crun";
  std::filesystem::path state = "/run/locket/crun";  // crun's --root
  // Where the containers' control groups are; linux.cgroupsPath of EncodeGuestConfig says the same.
  std::filesystem::path cgroups = "/sys/fs/cgroup/locket";
};

// Returns the argument vector for `crun VERB ...`. crun's own messages go to the file `log`.
std::vector<std::string> CrunCommand(const CrunPaths& paths, const std::filesystem::path& log,
                                     const std::vector<std::string>& verb_and_arguments);

// A run of crun may take 60 s, then it is an error. Each run writes its messages to a log of its
// own, of which the last line becomes the error's message.
class CrunRuntime final : public ContainerRuntime {
 public:
  explicit CrunRuntime(CrunPaths paths) : paths_(std::move(paths)) {}

  Result<StartedProcess> Create(const CreateOptions& options) override;
  Status Start(const std::string& id) override;
  Status Kill(const std::string& id, int signal, bool all) override;
  Result<StartedProcess> Exec(const ExecOptions& options) override;
  Status KillExec(const std::string& container_id, pid_t pid, int signal) override;
  Result<bool> OomKilled(const std::string& id) override;
  Status Delete(const std::string& id) override;

 private:
  // One crun call that starts a process.
  struct Launch {
    std::string verb;
    std::vector<std::string> arguments;  // after the verb and the options that every launch has
    std::filesystem::path log;
    std::filesystem::path pid_file;
  };
  Result<StartedProcess> StartProcess(const Launch& launch, const ProcessStreams& streams);
  Status Run(const std::string& id, const std::vector<std::string>& arguments);

  CrunPaths paths_;
  std::atomic<uint64_t> next_console_ = 0;
  std::atomic<uint64_t> next_log_ = 0;
};

}  // namespace locket::guest_agent
