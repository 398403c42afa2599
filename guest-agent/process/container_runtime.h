// The seam at crun: as much of an OCI runtime as the agent uses.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// What a process is started with.
struct ProcessStreams {
  bool terminal;  // as its spec says; the descriptors are not used then
  int stdin_fd;   // lent; the process inherits copies
  int stdout_fd;
  int stderr_fd;
};

struct CreateOptions {
  std::string id;
  std::filesystem::path bundle;  // a directory with config.json
  ProcessStreams streams;
};

inline constexpr char kExecProcessFile[] = "process.json";

struct ExecOptions {
  std::string container_id;
  std::filesystem::path directory;  // its own, with kExecProcessFile: the spec's "process"
  ProcessStreams streams;
};

struct StartedProcess {
  pid_t pid;
  UniqueFd terminal{};  // the master, if it has one
};

class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // The container's first process, which waits for Start and is a child of PID 1. On failure no
  // such container is left.
  virtual Result<StartedProcess> Create(const CreateOptions& options) = 0;
  virtual Status Start(const std::string& id) = 0;
  // kNotFound: there is no such process any more.
  virtual Status Kill(const std::string& id, int signal, bool all) = 0;
  virtual Result<std::vector<pid_t>> Processes(const std::string& id) = 0;
  // A further process in a started container, running and a child of PID 1. It ends with the
  // container's first process. kNotFound: the container has none any more.
  virtual Result<StartedProcess> Exec(const ExecOptions& options) = 0;
  // `pid`: of a process that Exec started and that nobody has seen end. kNotFound: it has ended.
  virtual Status KillExec(const std::string& container_id, pid_t pid, int signal) = 0;
  // Whether a process of it was killed for want of memory so far. Known until Delete, also when it
  // has ended.
  virtual Result<bool> OomKilled(const std::string& id) = 0;
  // Kills what is left of it. Succeeds when it is gone already.
  virtual Status Delete(const std::string& id) = 0;
};

}  // namespace locket::guest_agent
