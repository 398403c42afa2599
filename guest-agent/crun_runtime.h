#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "guest-agent/container_runtime.h"

namespace locket::guest_agent {

struct CrunPaths {
  std::string program = "crun";
  std::filesystem::path state = "/run/locket/crun";  // crun's --root
};

// The argument vector for `crun VERB ...`, crun's own messages going to `log`. Pure.
std::vector<std::string> CrunCommand(const CrunPaths& paths, const std::filesystem::path& log,
                                     const std::vector<std::string>& verb_and_arguments);

// Drives Debian's crun. Thread-safe for different containers.
class CrunRuntime final : public ContainerRuntime {
 public:
  explicit CrunRuntime(CrunPaths paths) : paths_(std::move(paths)) {}

  Result<pid_t> Create(const CreateOptions& options) override;
  Status Start(const std::string& id) override;
  Status Kill(const std::string& id, int signal, bool all) override;
  Result<std::vector<pid_t>> Processes(const std::string& id) override;
  Status Delete(const std::string& id) override;

 private:
  Result<std::string> Run(const std::string& id, const std::vector<std::string>& arguments);

  CrunPaths paths_;
};

}  // namespace locket::guest_agent
