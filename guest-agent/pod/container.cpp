#include "guest-agent/pod/container.h"

#include <fcntl.h>

#include <csignal>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "guest-agent/policy/exec_request.h"
#include "guest-agent/policy/executable.h"
#include "guest-agent/policy/guest_account.h"
#include "guest-agent/policy/names.h"
#include "guest-agent/policy/root_directory.h"
#include "image/oci/user.h"

namespace locket::guest_agent {
namespace {

// What a container that ended with 0 although a layer is corrupted reports (sysexits.h, EX_IOERR).
constexpr int kCorruptedExitStatus = 74;

Status WriteText(const std::filesystem::path& path, std::string_view text) {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return WriteFull(file.get(), AsBytes(text)).While("write '" + path.string() + "'");
}

Error WrongState(const std::string& id, std::string_view what) {
  return {ErrorCode::kFailedPrecondition, "container '" + id + "' " + std::string(what)};
}

}  // namespace

Result<ImageProcess> ProcessOf(const guest_mounter::AcceptedImage& image) {
  ImageProcess process{.argv = {}, .env = {}, .working_directory = "", .uid = 0, .gid = 0};
  if (!image.config.user.empty()) {
    LOCKET_TRY_ASSIGN(const auto user, image::ParseNumericUser(image.config.user));
    process.uid = user.uid;
    process.gid = user.gid;
  }
  process.working_directory = image.config.working_dir;
  if (!image.pinned) return process;
  process.argv = image.config.entrypoint;
  process.argv.insert(process.argv.end(), image.config.cmd.begin(), image.config.cmd.end());
  process.env = image.config.env;
  return process;
}

Container::~Container() {
  const Status deleted = Delete();
  if (!deleted.ok()) log::Warning("leaving a container", {log::Field(deleted.error())});
}

Status Container::WriteBundle(const GuestConfig& config) {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return Error::FromErrno(error.value(), "make '" + options_.directory.string() + "'");
  const auto& directory = options_.directory;
  LOCKET_TRY(WriteText(directory / "hosts", HostsText(options_.network, config.hostname)));
  LOCKET_TRY(WriteText(directory / "hostname", config.hostname + "\n"));
  LOCKET_TRY(WriteText(directory / "resolv.conf", ResolvConfText(options_.network)));
  const std::string json = EncodeGuestConfig(
      config, {.container_id = options_.id, .rootfs = image_->rootfs(), .etc = options_.directory});
  return WriteText(directory / "config.json", json);
}

// What crun is to run, after the policy for this image.
Result<GuestConfig> Container::MakeConfig(HostRequest host, const initdata::GuestPolicy& policy) {
  if (host.hostname.empty()) host.hostname = options_.default_hostname;
  LOCKET_TRY_ASSIGN(ImageProcess process, ProcessOf(image_->image()));
  LOCKET_TRY_ASSIGN(const auto root, RootDirectory::Open(image_->rootfs()));
  LOCKET_TRY(AddAccount(root, process));
  LOCKET_TRY_ASSIGN(GuestConfig config, ApplyPolicy(process, host, policy));
  LOCKET_TRY(CheckHostname(config.hostname));
  AddHostname(config);
  LOCKET_TRY(CheckExecutable(root, config.process, config.volumes));
  for (VolumeMount& volume : config.volumes) {
    LOCKET_TRY_ASSIGN(volume.directory, seams_.volumes.Open(volume.name));
  }
  LOCKET_TRY(CheckWorkingDirectory(root, config.process.working_directory, config.volumes));
  return config;
}

initdata::GuestPolicy Container::PolicyHere(const initdata::GuestPolicy& policy) const {
  return PolicyForImage(policy, image_->image().manifest_digest);
}

Result<std::vector<std::string>> Container::Create(std::string_view host_request,
                                                   const initdata::GuestPolicy& policy,
                                                   bool with_stdin) {
  const std::lock_guard lifecycle(lifecycle_);
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kPrepared) return WrongState(options_.id, "exists already");
  }
  LOCKET_TRY_ASSIGN(HostRequest host, DecodeHostRequest(host_request));
  LOCKET_TRY(CheckStreams(policy, with_stdin, host.terminal));
  LOCKET_TRY_ASSIGN(GuestConfig config, MakeConfig(std::move(host), PolicyHere(policy)));
  for (const std::string& dropped : config.dropped) {
    log::Info("left out of the container", {{"container", options_.id}, {"what", dropped}});
  }
  LOCKET_TRY(WriteBundle(config));
  LOCKET_TRY(CreateLocked(
      {.with_stdin = with_stdin, .terminal = config.terminal, .hide_output = policy.hide_output}));
  auto left_out = std::exchange(config.dropped, {});
  config_ = std::move(config);
  return left_out;
}

Status Container::CreateLocked(const IoOptions& options) {
  LOCKET_TRY_ASSIGN(auto io, ProcessIo::Create(options));
  const auto since = seams_.exits.Now();
  auto made = seams_.runtime.Create(
      {.id = options_.id, .bundle = options_.directory, .streams = io->child()});
  if (!made.ok()) {
    LOCKET_TRY(image_->CheckIntact());
    return std::move(made).error();
  }
  io->Started(std::move(made->terminal));
  const std::lock_guard lock(mutex_);
  state_ = State::kCreated;
  pid_ = made->pid;
  io_ = std::move(io);
  watcher_ = std::thread([this, pid = pid_, since] { WatchExit(pid, since); });
  return Ok();
}

bool Container::WasOomKilled() const {
  const auto killed = seams_.runtime.OomKilled(options_.id);
  // A container that is deleted while it ends has nothing left to ask.
  if (!killed.ok()) log::Debug("cannot say why it ended", {log::Field(killed.error())});
  if (!killed.ok() || !*killed) return false;
  log::Info("container ran out of memory", {{"container", options_.id}});
  return true;
}

// Runs on its own thread. The image is there until Delete has joined this.
void Container::WatchExit(pid_t pid, ExitNotices::Mark since) {
  auto exit = seams_.exits.Await(pid, since);
  const Status intact = image_->CheckIntact();
  if (exit.ok() && exit->exit_status != 0) exit->oom_killed = WasOomKilled();
  const std::lock_guard lock(mutex_);
  if (!intact.ok()) {
    log::Error("container read corrupted data",
               {{"container", options_.id}, log::Field(intact.error())});
    last_words_ = "locket: " + intact.error().message() + "\n";
    if (exit.ok() && exit->exit_status == 0) exit->exit_status = kCorruptedExitStatus;
  }
  exit_ = std::move(exit);
  ended_.notify_all();
}

Status Container::Start() {
  const std::lock_guard lifecycle(lifecycle_);
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kCreated) {
      return WrongState(options_.id, state_ == State::kRunning ? "runs already" : "is not created");
    }
  }
  if (Status started = seams_.runtime.Start(options_.id); !started.ok()) {
    LOCKET_TRY(image_->CheckIntact());
    return std::move(started).error();
  }
  const std::lock_guard lock(mutex_);
  state_ = State::kRunning;
  return Ok();
}

Result<ExitNotice> Container::Wait() {
  std::unique_lock lock(mutex_);
  if (state_ == State::kPrepared) return WrongState(options_.id, "is not created");
  ended_.wait(lock, [this] { return exit_.has_value() || pid_ == 0; });
  if (!exit_) return WrongState(options_.id, "was deleted before it was created");
  return *exit_;
}

Status Container::RequireProcess() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kPrepared) return WrongState(options_.id, "is not created");
  if (state_ == State::kDeleted || exit_) {
    return Error(ErrorCode::kNotFound, "container '" + options_.id + "' has ended");
  }
  return Ok();
}

Status Container::Signal(int signal, bool all) {
  if (signal < 1 || signal > SIGRTMAX) {
    return Error(ErrorCode::kInvalidArgument, "there is no signal " + std::to_string(signal));
  }
  LOCKET_TRY(RequireProcess());
  return seams_.runtime.Kill(options_.id, signal, all);
}

Status Container::Delete() {
  const std::lock_guard lifecycle(lifecycle_);
  bool created = false;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kDeleted) return Ok();
    created = state_ != State::kPrepared;
  }
  if (created) LOCKET_TRY(seams_.runtime.Delete(options_.id));
  execs_.DeleteAll();
  if (watcher_.joinable()) watcher_.join();
  image_.reset();
  std::error_code error;
  std::filesystem::remove_all(options_.directory, error);
  const std::lock_guard lock(mutex_);
  state_ = State::kDeleted;
  if (io_ != nullptr) io_->CloseInput();
  ended_.notify_all();
  if (error) return Error::FromErrno(error.value(), "remove '" + options_.directory.string() + "'");
  return Ok();
}

Result<ProcessIo*> Container::RequireIo() {
  const std::lock_guard lock(mutex_);
  if (io_ == nullptr) return WrongState(options_.id, "is not created");
  return io_.get();  // stays as long as this object
}

Result<Output> Container::Read(OutputStream stream, size_t max_bytes) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  LOCKET_TRY_ASSIGN(Output output,
                    io->Read(stream, max_bytes).While("container '" + options_.id + "'"));
  if (!output.end || (stream == OutputStream::kStdout && !io->terminal())) return output;
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return exit_.has_value(); });
  output.data = std::exchange(last_words_, {});
  output.end = output.data.empty();
  return output;
}

Status Container::WriteInput(std::string_view data) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  return io->Write(data).While("container '" + options_.id + "'");
}

void Container::CloseInput() {
  const auto io = RequireIo();
  if (io.ok()) (*io)->CloseInput();
}

Status Container::Resize(const TerminalSize& size) {
  LOCKET_TRY_ASSIGN(ProcessIo * io, RequireIo());
  return io->Resize(size);
}

Status Container::CreateExec(const std::string& exec_id, std::string_view host_process,
                             const initdata::GuestPolicy& policy, bool with_stdin) {
  LOCKET_TRY(CheckContainerId(exec_id).While("exec ID"));
  LOCKET_TRY_ASSIGN(const HostRequest host, DecodeHostProcess(host_process));
  const std::lock_guard lifecycle(lifecycle_);
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kRunning || exit_) {
      return WrongState(options_.id, exit_ ? "has ended: nothing can be run in it any more"
                                           : "does not run: nothing can be run in it");
    }
  }
  LOCKET_TRY_ASSIGN(GuestConfig config, ApplyExecPolicy(*config_, host, PolicyHere(policy)));
  LOCKET_TRY(CheckStreams(policy, with_stdin, config.terminal));
  // The files as they are by now.
  LOCKET_TRY_ASSIGN(const auto root, RootDirectory::Open(image_->rootfs()));
  LOCKET_TRY(CheckWorkingDirectory(root, config.process.working_directory, config.volumes));
  LOCKET_TRY(CheckExecutable(root, config.process, config.volumes));
  const IoOptions io{
      .with_stdin = with_stdin, .terminal = config.terminal, .hide_output = policy.hide_output};
  return execs_.Add(
      exec_id,
      std::make_shared<Exec>(seams_, ExecSetup{.container_id = options_.id,
                                               .id = exec_id,
                                               .directory = options_.directory / "exec" / exec_id,
                                               .config = std::move(config),
                                               .io = io}));
}

}  // namespace locket::guest_agent
