#include "guest-agent/container.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "guest-agent/names.h"
#include "image/user.h"

namespace locket::guest_agent {
namespace {

// What a container that ended with 0 although a layer is corrupted reports (sysexits.h, EX_IOERR).
constexpr int kCorruptedExitStatus = 74;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::FromErrno(errno, "make a pipe");
  return Pipe{.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
}

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

Status Container::WriteBundle(const GuestSpec& spec) {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return Error::FromErrno(error.value(), "make '" + options_.directory.string() + "'");
  const auto& directory = options_.directory;
  LOCKET_TRY(WriteText(directory / "hosts", HostsText(options_.network, spec.hostname)));
  LOCKET_TRY(WriteText(directory / "hostname", spec.hostname + "\n"));
  LOCKET_TRY(WriteText(directory / "resolv.conf", ResolvConfText(options_.network)));
  const std::string config = EncodeGuestSpec(
      spec, {.container_id = options_.id, .rootfs = image_->rootfs(), .etc = options_.directory});
  return WriteText(directory / "config.json", config);
}

Result<CreatedContainer> Container::Create(std::string_view host_spec, const SpecPolicy& policy,
                                           bool with_stdin) {
  const std::lock_guard lifecycle(lifecycle_);
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kPrepared) return WrongState(options_.id, "exists already");
  }
  // What an interpreter reads there it does, so it counts as a command.
  if (with_stdin && !policy.allow_stdin) {
    return Error(ErrorCode::kPermissionDenied,
                 "the host may not write to the container's standard input: run it without stdin, "
                 "or set allow_stdin = true in initdata's [agent]");
  }
  LOCKET_TRY_ASSIGN(HostSpec host, DecodeHostSpec(host_spec));
  LOCKET_TRY_ASSIGN(const ImageProcess process, ProcessOf(image_->image()));
  LOCKET_TRY_ASSIGN(GuestSpec spec, ApplyPolicy(process, host, policy));
  LOCKET_TRY(CheckHostname(spec.hostname));
  if (spec.hostname.empty()) spec.hostname = options_.default_hostname;
  for (const std::string& dropped : spec.dropped) {
    log::Info("left out of the container", {{"container", options_.id}, {"what", dropped}});
  }
  LOCKET_TRY(WriteBundle(spec));
  LOCKET_TRY_ASSIGN(const pid_t pid,
                    CreateLocked({.with_stdin = with_stdin, .hide_output = policy.hide_output}));
  return CreatedContainer{.pid = pid, .left_out = std::move(spec.dropped)};
}

Result<pid_t> Container::CreateLocked(const Streams& streams) {
  LOCKET_TRY_ASSIGN(Pipe input, MakePipe());
  LOCKET_TRY_ASSIGN(Pipe output, MakePipe());
  LOCKET_TRY_ASSIGN(Pipe errors, MakePipe());
  UniqueFd nowhere;
  if (!streams.with_stdin) input.write_end.reset();  // the container reads the end at once
  if (streams.hide_output) {
    LOCKET_TRY_ASSIGN(nowhere, OpenFile("/dev/null", O_WRONLY));
    output.write_end.reset();  // and whoever reads its output
    errors.write_end.reset();
  }
  const auto since = seams_.exits.Now();
  auto pid =
      seams_.runtime.Create({.id = options_.id,
                             .bundle = options_.directory,
                             .stdin_fd = input.read_end.get(),
                             .stdout_fd = (nowhere.valid() ? nowhere : output.write_end).get(),
                             .stderr_fd = (nowhere.valid() ? nowhere : errors.write_end).get()});
  if (!pid.ok()) {
    LOCKET_TRY(image_->CheckIntact());
    return std::move(pid).error();
  }
  const std::lock_guard lock(mutex_);
  state_ = State::kCreated;
  pid_ = *pid;
  if (streams.with_stdin) stdin_ = std::make_shared<UniqueFd>(std::move(input.write_end));
  stdout_ = std::move(output.read_end);
  stderr_ = std::move(errors.read_end);
  watcher_ = std::thread([this, pid = *pid, since] { WatchExit(pid, since); });
  return *pid;
}

// Runs on its own thread. The image is there until Delete has joined this.
void Container::WatchExit(pid_t pid, ExitNotices::Mark since) {
  auto exit = seams_.exits.Await(pid, since);
  const Status intact = image_->CheckIntact();
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

Result<pid_t> Container::Start() {
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
  return pid_;
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

Result<std::vector<pid_t>> Container::Processes() {
  LOCKET_TRY(RequireProcess());
  return seams_.runtime.Processes(options_.id);
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
  if (watcher_.joinable()) watcher_.join();
  image_.reset();
  std::error_code error;
  std::filesystem::remove_all(options_.directory, error);
  const std::lock_guard lock(mutex_);
  state_ = State::kDeleted;
  stdin_.reset();
  ended_.notify_all();
  if (error) return Error::FromErrno(error.value(), "remove '" + options_.directory.string() + "'");
  return Ok();
}

Result<Output> Container::Read(OutputStream stream, size_t max_bytes) {
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    const UniqueFd& end = stream == OutputStream::kStdout ? stdout_ : stderr_;
    if (!end.valid()) return WrongState(options_.id, "is not created");
    fd = end.get();  // stays open as long as this object
  }
  Output output{.data = std::string(max_bytes, '\0')};
  ssize_t got = 0;
  do {
    got = ::read(fd, output.data.data(), output.data.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Error::FromErrno(errno, "read the output of '" + options_.id + "'");
  output.data.resize(static_cast<size_t>(got));
  if (got > 0) return output;
  std::unique_lock lock(mutex_);
  if (stream == OutputStream::kStderr) {
    ended_.wait(lock, [this] { return exit_.has_value(); });
    output.data = std::exchange(last_words_, {});
  }
  output.end = output.data.empty();
  return output;
}

Status Container::WriteInput(std::string_view data) {
  std::shared_ptr<UniqueFd> input;
  {
    const std::lock_guard lock(mutex_);
    input = stdin_;
  }
  if (input == nullptr) return WrongState(options_.id, "has no standard input, or it is closed");
  return WriteFull(input->get(), AsBytes(data)).While("write to '" + options_.id + "'");
}

void Container::CloseInput() {
  const std::lock_guard lock(mutex_);
  stdin_.reset();
}

}  // namespace locket::guest_agent
