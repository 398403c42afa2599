#include "guest-agent/pod/exec.h"

#include <fcntl.h>

#include <csignal>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace locket::guest_agent {

Exec::~Exec() {
  const Status deleted = Delete();
  if (!deleted.ok()) log::Warning("leaving an exec", {log::Field(deleted.error())});
}

Error Exec::WrongState(std::string_view what) const {
  return {ErrorCode::kFailedPrecondition, "exec '" + setup_.id + "' of container '" +
                                              setup_.container_id + "' " + std::string(what)};
}

Status Exec::WriteProcess() const {
  std::error_code error;
  std::filesystem::create_directories(setup_.directory, error);
  if (error) return Error::FromErrno(error.value(), "make '" + setup_.directory.string() + "'");
  const auto path = setup_.directory / kExecProcessFile;
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return WriteFull(file.get(), AsBytes(EncodeGuestProcess(setup_.config)))
      .While("write '" + path.string() + "'");
}

Status Exec::Start() {
  const std::lock_guard lifecycle(lifecycle_);
  if (deleted_) return WrongState("is deleted");
  if (watcher_.joinable()) return WrongState("runs already");
  LOCKET_TRY(WriteProcess());
  LOCKET_TRY_ASSIGN(auto io, ProcessIo::Create(setup_.io));
  const auto since = seams_.exits.Now();
  LOCKET_TRY_ASSIGN(StartedProcess started,
                    seams_.runtime.Exec({.container_id = setup_.container_id,
                                         .directory = setup_.directory,
                                         .streams = io->child()}));
  io->Started(std::move(started.terminal));
  const std::lock_guard lock(mutex_);
  pid_ = started.pid;
  io_ = std::move(io);
  watcher_ = std::thread([this, pid = pid_, since] {
    auto exit = seams_.exits.Await(pid, since);
    const std::lock_guard ended(mutex_);
    exit_ = std::move(exit);
    ended_.notify_all();
  });
  return Ok();
}

Result<ExitNotice> Exec::Wait() {
  std::unique_lock lock(mutex_);
  if (pid_ == 0) return WrongState("is not started");
  ended_.wait(lock, [this] { return exit_.has_value(); });
  return *exit_;
}

Status Exec::Signal(int signal, bool /*all*/) {
  if (signal < 1 || signal > SIGRTMAX) {
    return Error(ErrorCode::kInvalidArgument, "there is no signal " + std::to_string(signal));
  }
  const std::lock_guard lock(mutex_);
  if (pid_ == 0) return WrongState("is not started");
  if (exit_) return Error(ErrorCode::kNotFound, "exec '" + setup_.id + "' has ended");
  return seams_.runtime.KillExec(setup_.container_id, pid_, signal);
}

Result<ProcessIo*> Exec::RequireIo() {
  const std::lock_guard lock(mutex_);
  if (io_ == nullptr) return WrongState("is not started");
  return io_.get();  // stays as long as this object
}

Result<Output> Exec::Read(OutputStream stream, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  return io->Read(stream, max_bytes);
}

Status Exec::WriteInput(std::string_view data) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  return io->Write(data).While("exec '" + setup_.id + "'");
}

void Exec::CloseInput() {
  const auto io = RequireIo();
  if (io.ok()) (*io)->CloseInput();
}

Status Exec::Resize(const TerminalSize& size) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  return io->Resize(size);
}

Status Exec::Delete() {
  const std::lock_guard lifecycle(lifecycle_);
  if (deleted_) return Ok();
  if (watcher_.joinable()) {
    const Status killed = Signal(SIGKILL, /*all=*/false);
    if (!killed.ok() && killed.error().code() != ErrorCode::kNotFound) return killed;
    watcher_.join();
    io_->Abandon();
  }
  deleted_ = true;
  std::error_code error;
  std::filesystem::remove_all(setup_.directory, error);
  if (error) return Error::FromErrno(error.value(), "remove '" + setup_.directory.string() + "'");
  return Ok();
}

Status ExecTable::Add(const std::string& id, std::shared_ptr<Exec> exec) {
  const std::lock_guard lock(mutex_);
  if (execs_.contains(id)) return Error(ErrorCode::kAlreadyExists, "exec '" + id + "' exists");
  if (execs_.size() >= kMaxExecs) {
    return Error(ErrorCode::kResourceExhausted,
                 "the container has " + std::to_string(kMaxExecs) + " execs already");
  }
  execs_.emplace(id, std::move(exec));
  return Ok();
}

Result<std::shared_ptr<Exec>> ExecTable::Find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = execs_.find(id);
  if (found == execs_.end()) return Error(ErrorCode::kNotFound, "there is no such exec");
  return found->second;
}

Status ExecTable::Delete(const std::string& id) {
  const auto exec = Find(id);
  if (!exec.ok()) return Ok();
  LOCKET_TRY((*exec)->Delete());
  const std::lock_guard lock(mutex_);
  execs_.erase(id);
  return Ok();
}

void ExecTable::DeleteAll() {
  std::map<std::string, std::shared_ptr<Exec>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(execs_);
  }
  for (const auto& [id, exec] : all) {
    const Status deleted = exec->Delete();
    if (!deleted.ok()) log::Warning("leaving an exec", {log::Field(deleted.error())});
  }
}

}  // namespace locket::guest_agent
