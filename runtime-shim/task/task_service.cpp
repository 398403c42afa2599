#include "runtime-shim/task/task_service.h"

#include <google/protobuf/empty.pb.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/task.pb.h"
#include "runtime-shim/task/stats.h"
#include "runtime-shim/task/timestamps.h"

namespace locket::runtime_shim {
namespace {

namespace v2 = ::containerd::task::v2;
namespace v1 = ::containerd::v1::types;
using google::protobuf::Empty;
using rpc::CallContext;

constexpr std::string_view kService = "containerd.task.v2.Task";

Error Unsupported(const std::string& what) { return {ErrorCode::kUnimplemented, what}; }

// A message about a process: a container's first one, or an exec.
template <typename Request>
GuestProcess IdOf(const Request& request) {
  return {.container_id = request.id(), .exec_id = request.exec_id()};
}

template <typename Request>
bool IsExec(const Request& request) {
  return !request.exec_id().empty();
}

v1::Status WireStatus(TaskStatus status) {
  switch (status) {
    case TaskStatus::kCreating:
      return v1::UNKNOWN;
    case TaskStatus::kCreated:
      return v1::CREATED;
    case TaskStatus::kRunning:
      return v1::RUNNING;
    case TaskStatus::kStopped:
      break;
  }
  return v1::STOPPED;
}

template <typename Message>
void FillExit(const std::optional<TaskExit>& exit, Message* out) {
  if (!exit) return;
  out->set_exit_status(exit->status);
  *out->mutable_exited_at() = ToTimestamp(exit->at);
}

// `asked`: a CreateRequest or an ExecRequest.
template <typename Asked>
void FillState(const TaskState& state, const Asked& asked, v2::StateResponse* response) {
  response->set_pid(state.pid);
  response->set_status(WireStatus(state.status));
  response->set_stdin(asked.stdio.in);
  response->set_stdout(asked.stdio.out);
  response->set_stderr(asked.stdio.err);
  response->set_terminal(asked.terminal);
  FillExit(state.exit, response);
}

// What containerd calls a Process is JSON, whatever the Any that carries it is called.
ExecRequest FromWire(const v2::ExecProcessRequest& request) {
  return {.container_id = request.id(),
          .exec_id = request.exec_id(),
          .stdio = {.in = request.stdin(), .out = request.stdout(), .err = request.stderr()},
          .terminal = request.terminal(),
          .process = request.spec().value()};
}

CreateRequest FromWire(const v2::CreateTaskRequest& request) {
  CreateRequest out{
      .id = request.id(),
      .bundle = request.bundle(),
      .stdio = {.in = request.stdin(), .out = request.stdout(), .err = request.stderr()},
      .terminal = request.terminal()};
  for (const auto& mount : request.rootfs()) {
    out.rootfs_options.insert(out.rootfs_options.end(), mount.options().begin(),
                              mount.options().end());
  }
  return out;
}

class Service {
 public:
  Service(rpc::TtrpcMethods& methods, Pod& pod) : methods_(methods), pod_(pod) {}

  // handler: Status(const Request&, Response*). A failure is logged here, once.
  template <typename Request, typename Response, typename Handler>
  void Add(std::string_view method, Handler handler) {
    methods_.Add<Request, Response>(
        kService, method,
        [handler = std::move(handler), name = std::string(method)](
            const CallContext&, const Request& request, Response* response) -> Status {
          Status done = handler(request, response);
          if (!done.ok() && done.error().code() != ErrorCode::kNotFound) {
            log::Error("request failed", {{"method", name}, log::Field(done.error())});
          }
          return done;
        });
  }

  template <typename Request>
  void Refuse(std::string_view method, std::string why) {
    Add<Request, Empty>(method, [why = std::move(why)](const Request&, Empty*) -> Status {
      return Unsupported(why);
    });
  }

  void AddLife() {
    Add<v2::CreateTaskRequest, v2::CreateTaskResponse>(
        "Create", [&pod = pod_](const auto& request, auto* response) -> Status {
          if (!request.checkpoint().empty()) return Unsupported("checkpoints are not supported");
          LOCKET_TRY_ASSIGN(const uint32_t pid, pod.Create(FromWire(request)));
          response->set_pid(pid);
          return Ok();
        });
    Add<v2::StartRequest, v2::StartResponse>(
        "Start", [&pod = pod_](const auto& request, auto* response) -> Status {
          LOCKET_TRY_ASSIGN(const uint32_t pid, IsExec(request) ? pod.execs().Start(IdOf(request))
                                                                : pod.Start(request.id()));
          response->set_pid(pid);
          return Ok();
        });
    Add<v2::KillRequest, Empty>("Kill", [&pod = pod_](const auto& request, Empty*) -> Status {
      if (IsExec(request)) return pod.execs().Kill(IdOf(request), request.signal());
      return pod.Kill(request.id(), request.signal(), request.all());
    });
    Add<v2::WaitRequest, v2::WaitResponse>(
        "Wait", [&pod = pod_](const auto& request, auto* response) -> Status {
          LOCKET_TRY_ASSIGN(const TaskExit exit, IsExec(request) ? pod.execs().Wait(IdOf(request))
                                                                 : pod.Wait(request.id()));
          FillExit(exit, response);
          return Ok();
        });
    Add<v2::DeleteRequest, v2::DeleteResponse>(
        "Delete", [&pod = pod_](const auto& request, auto* response) -> Status {
          LOCKET_TRY_ASSIGN(const TaskState state, IsExec(request)
                                                       ? pod.execs().Delete(IdOf(request))
                                                       : pod.Delete(request.id()));
          response->set_pid(state.pid);
          FillExit(state.exit, response);
          return Ok();
        });
  }

  void AddQueries() {
    Add<v2::StateRequest, v2::StateResponse>(
        "State", [&pod = pod_](const auto& request, auto* response) -> Status {
          if (IsExec(request)) {
            LOCKET_TRY_ASSIGN(const TaskState state, pod.execs().State(IdOf(request)));
            LOCKET_TRY_ASSIGN(const ExecRequest exec, pod.execs().Request(IdOf(request)));
            response->set_exec_id(request.exec_id());
            FillState(state, exec, response);
          }
          LOCKET_TRY_ASSIGN(const CreateRequest asked, pod.Request(request.id()));
          if (!IsExec(request)) {
            LOCKET_TRY_ASSIGN(const TaskState state, pod.State(request.id()));
            FillState(state, asked, response);
          }
          response->set_id(request.id());
          response->set_bundle(asked.bundle.string());
          return Ok();
        });
    Add<v2::PidsRequest, v2::PidsResponse>(
        "Pids", [&pod = pod_](const auto& request, auto* response) -> Status {
          // The host sees one process of the whole pod, its VM.
          LOCKET_TRY_ASSIGN(const TaskState state, pod.State(request.id()));
          response->add_processes()->set_pid(state.pid);
          return Ok();
        });
    Add<v2::ConnectRequest, v2::ConnectResponse>(
        "Connect", [&pod = pod_](const auto& request, auto* response) -> Status {
          // An unknown ID is not a failure: containerd asks before it creates the task.
          const auto state = pod.State(request.id());
          response->set_shim_pid(static_cast<uint32_t>(::getpid()));
          if (state.ok()) response->set_task_pid(state->pid);
          return Ok();
        });
    Add<v2::StatsRequest, v2::StatsResponse>(
        "Stats", [&pod = pod_](const auto& request, auto* response) -> Status {
          LOCKET_TRY_ASSIGN(const TaskUsage usage, pod.Usage(request.id()));
          *response->mutable_stats() = MetricsOf(usage);
          return Ok();
        });
  }

  void AddRest(std::function<void()> on_shutdown) {
    Add<v2::CloseIORequest, Empty>("CloseIO", [&pod = pod_](const auto& request, Empty*) -> Status {
      if (!request.stdin()) return Ok();
      return IsExec(request) ? pod.execs().CloseInput(IdOf(request)) : pod.CloseInput(request.id());
    });
    Add<v2::ResizePtyRequest, Empty>(
        "ResizePty", [&pod = pod_](const auto& request, Empty*) -> Status {
          const TerminalSize size{.rows = request.height(), .columns = request.width()};
          return IsExec(request) ? pod.execs().Resize(IdOf(request), size)
                                 : pod.Resize(request.id(), size);
        });
    Add<v2::ExecProcessRequest, Empty>(
        "Exec", [&pod = pod_](const auto& request, Empty*) -> Status {
          if (!IsExec(request)) return Error(ErrorCode::kInvalidArgument, "an exec without an ID");
          return pod.AddExec(FromWire(request));
        });
    Refuse<v2::UpdateTaskRequest>(
        "Update", "resources of a running container in a VM cannot be changed; recreate the pod");
    Add<v2::ShutdownRequest, Empty>(
        "Shutdown",
        [&pod = pod_, on_shutdown = std::move(on_shutdown)](const auto&, Empty*) -> Status {
          // Each container of the pod asks when it is deleted; the last one is meant.
          if (pod.empty()) on_shutdown();
          return Ok();
        });
    Refuse<v2::PauseRequest>("Pause", "pausing is not supported");
    Refuse<v2::ResumeRequest>("Resume", "pausing is not supported");
    Refuse<v2::CheckpointTaskRequest>("Checkpoint", "checkpoints are not supported");
  }

 private:
  rpc::TtrpcMethods& methods_;
  Pod& pod_;
};

}  // namespace

void AddTaskService(rpc::TtrpcMethods& methods, Pod& pod, std::function<void()> on_shutdown) {
  Service service(methods, pod);
  service.AddLife();
  service.AddQueries();
  service.AddRest(std::move(on_shutdown));
}

}  // namespace locket::runtime_shim
