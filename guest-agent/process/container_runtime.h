// The seam at crun: as much of an OCI runtime as the agent uses.
//
// Life of a container: Create makes it from a bundle, with a first process that waits; Start lets
// that process run the container's program; Exec adds further processes; Kill sends signals; Delete
// removes it, whatever state it is in. The processes become children of PID 1, so their ends are
// reported by ExitNotices (exit_notices.h) and not by the runtime.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::guest_agent {

// The standard streams that a process is started with.
struct ProcessStreams {
  bool terminal;  // as config.json says: the runtime makes a terminal, and ignores the descriptors
  int stdin_fd;   // lent; the process inherits copies
  int stdout_fd;
  int stderr_fd;
};

// For Create.
struct CreateOptions {
  std::string id;
  std::filesystem::path bundle;  // a directory with config.json
  ProcessStreams streams;
};

// The file with an exec's "process" of an OCI spec.
inline constexpr char kExecProcessFile[] = "process.json";

// For Exec.
struct ExecOptions {
  std::string container_id;
  std::filesystem::path directory;  // of this exec alone, with kExecProcessFile
  ProcessStreams streams;
};

struct StartedProcess {
  pid_t pid;            // in the guest's PID namespace
  UniqueFd terminal{};  // the master of its terminal, if it has one
};

// Thread-safe: calls for one container may overlap, as a signal does with the container's removal.
// Errors not named below are the runtime's, with what it printed.
class ContainerRuntime {
 public:
  virtual ~ContainerRuntime() = default;

  // Creates a container. Returns its first process, which waits for Start and is a child of PID 1.
  // On failure there is no such container. The working directory is made if it is absent.
  // kFailedPrecondition: the working directory turned out to lie outside the container, or in a
  // /proc; the image or a volume has a link on the way to it.
  virtual Result<StartedProcess> Create(const CreateOptions& options) = 0;
  // Lets the first process run the container's program. kNotFound: there is no such container.
  virtual Status Start(const std::string& id) = 0;
  // Sends a signal to the first process, or with `all` to every process of the container.
  // kNotFound: there is no such container, or it has ended.
  virtual Status Kill(const std::string& id, int signal, bool all) = 0;
  // Starts a further process in a container that was started. Returns the process, which runs and
  // is a child of PID 1. The end of the container's first process ends it, too. kNotFound: the
  // container's first process has ended.
  virtual Result<StartedProcess> Exec(const ExecOptions& options) = 0;
  // Sends a signal to a process that Exec started. `pid` must not have been reported as ended: it
  // could be another process's number by then. kNotFound: the process has ended.
  virtual Status KillExec(const std::string& container_id, pid_t pid, int signal) = 0;
  // Returns whether the kernel has killed a process of the container because memory ran out. May be
  // asked until Delete, also when the container has ended.
  virtual Result<bool> OomKilled(const std::string& id) = 0;
  // Kills what is left of the container and removes it. Succeeds when it is gone already.
  virtual Status Delete(const std::string& id) = 0;
};

}  // namespace locket::guest_agent
