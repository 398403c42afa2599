// A process that the host adds to a running container, as the policy allows it.
//
// It is created (the policy was applied, nothing runs), started, ends and is deleted. It ends at
// the latest with its container, whose first process's end kills it.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "guest-agent/pod/guest_process.h"
#include "guest-agent/policy/guest_config.h"
#include "guest-agent/process/container_runtime.h"
#include "guest-agent/process/exit_notices.h"

namespace locket::guest_agent {

// How many execs a container may have that are not deleted.
inline constexpr size_t kMaxExecs = 64;

// What containers and execs use, one of each for the whole pod. Outlives all of them.
struct ContainerSeams {
  ContainerRuntime& runtime;
  ExitNotices& exits;
  EmptyVolumes& volumes;
};

// Everything about an exec that is known before it is started.
struct ExecSetup {
  std::string container_id;
  std::string id;
  std::filesystem::path directory;  // made at Start, removed at Delete
  GuestConfig config;               // what to run: ApplyExecPolicy
  IoOptions io;
};

class Exec final : public GuestProcess {
 public:
  Exec(const ContainerSeams& seams, ExecSetup setup) : seams_(seams), setup_(std::move(setup)) {}
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;
  ~Exec() override;  // as Delete; a failure is logged

  Status Start() override;
  Result<ExitNotice> Wait() override;
  Status Signal(int signal, bool all) override;
  Result<Output> Read(OutputStream stream, size_t max_bytes) override;
  Status WriteInput(std::string_view data) override;
  void CloseInput() override;
  Status Resize(const TerminalSize& size) override;

  // Kills the process if it runs, and ends its streams, although processes that it left in the
  // container may still have them open. Succeeds when that is done already. On failure it can be
  // repeated.
  Status Delete();

 private:
  Status WriteProcess() const;
  Result<ProcessIo*> RequireIo();
  Error WrongState(std::string_view what) const;

  const ContainerSeams seams_;
  const ExecSetup setup_;

  std::mutex lifecycle_;  // Start and Delete one at a time; taken before mutex_
  bool deleted_ = false;  // under lifecycle_
  std::thread watcher_;   // likewise

  std::mutex mutex_;
  std::condition_variable ended_;
  pid_t pid_ = 0;                             // 0: not started
  std::unique_ptr<ProcessIo> io_;             // set once, by Start
  std::optional<Result<ExitNotice>> exit_{};  // set once
};

// The execs of one container, by name. Thread-safe.
class ExecTable {
 public:
  // Adds an exec. kAlreadyExists: there is one of that name. kResourceExhausted: there are
  // kMaxExecs.
  Status Add(const std::string& id, std::shared_ptr<Exec> exec);
  // kNotFound: there is none of that name.
  Result<std::shared_ptr<Exec>> Find(const std::string& id);
  // Deletes an exec and forgets it; on failure it stays. Succeeds when there is none of that name.
  Status Delete(const std::string& id);
  // Deletes and forgets all. Failures are logged.
  void DeleteAll();

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Exec>> execs_;  // shared with calls under way
};

}  // namespace locket::guest_agent
