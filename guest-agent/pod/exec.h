// A process that the host runs in a running container besides its first one, as the policy lets it.
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

inline constexpr size_t kMaxExecs = 64;  // of a container, until they are deleted

// Shared by all containers and execs; outlives them.
struct ContainerSeams {
  ContainerRuntime& runtime;
  ExitNotices& exits;
  EmptyVolumes& volumes;
};

struct ExecSetup {
  std::string container_id;
  std::string id;
  std::filesystem::path directory;  // made at Start, removed at Delete
  GuestConfig config;               // after the policy
  IoOptions io;
};

class Exec final : public GuestProcess {
 public:
  Exec(const ContainerSeams& seams, ExecSetup setup) : seams_(seams), setup_(std::move(setup)) {}
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;
  ~Exec() override;  // as Delete, with what goes wrong logged

  Result<pid_t> Start() override;
  Result<ExitNotice> Wait() override;
  Status Signal(int signal, bool all) override;
  Result<Output> Read(OutputStream stream, size_t max_bytes) override;
  Status WriteInput(std::string_view data) override;
  void CloseInput() override;
  Status Resize(const TerminalSize& size) override;

  // Kills it if it runs, and ends its streams: what it left running in the container may hold them.
  // Succeeds when that is done already.
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
  // kAlreadyExists, or kResourceExhausted: there are kMaxExecs.
  Status Add(const std::string& id, std::shared_ptr<Exec> exec);
  // kNotFound: there is none of that name.
  Result<std::shared_ptr<Exec>> Find(const std::string& id);
  // Succeeds when there is none of that name.
  Status Delete(const std::string& id);
  // Each one's failure is logged.
  void DeleteAll();

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Exec>> execs_;  // shared with calls under way
};

}  // namespace locket::guest_agent
