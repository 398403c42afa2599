// The seam at crun: as much of an OCI runtime as the agent uses.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace locket::guest_agent {

struct CreateOptions {
  std::string id;
  std::filesystem::path bundle;  // a directory with config.json
  int stdin_fd;                  // lent; the container's first process inherits copies
  int stdout_fd;
  int stderr_fd;
};

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // The pid of the container's first process, which waits for Start and is a child of PID 1. On
  // failure no such container is left.
  virtual Result<pid_t> Create(const CreateOptions& options) = 0;
  virtual Status Start(const std::string& id) = 0;
  // kNotFound: there is no such process any more.
  virtual Status Kill(const std::string& id, int signal, bool all) = 0;
  virtual Result<std::vector<pid_t>> Processes(const std::string& id) = 0;
  // Kills what is left of it. Succeeds when it is gone already.
  virtual Status Delete(const std::string& id) = 0;
};

}  // namespace locket::guest_agent
