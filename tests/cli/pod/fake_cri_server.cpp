#include "tests/cli/pod/fake_cri_server.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "proto/cri.grpc.pb.h"

namespace locket::cli {
namespace cri = runtime::v1;

class FakeCriServer::Impl final {
 public:
  explicit Impl(FakeCriServer& settings) : settings_(settings), runtime_(*this), images_(*this) {}

  void Start(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&runtime_);
    builder.RegisterService(&images_);
    server_ = builder.BuildAndStart();
  }
  void Stop() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> calls;
  std::string pulled_for;
  std::map<std::string, Sandbox> sandboxes;
  std::map<std::string, Container> containers;

 private:
  // What happens at the start of each call.
  grpc::Status Enter(const std::string& method, grpc::ServerContext& context) {
    {
      const std::lock_guard lock(mutex);
      calls.push_back(method);
    }
    changed.notify_all();
    if (settings_.fail_method == method) {
      return {grpc::StatusCode::INTERNAL, settings_.fail_message};
    }
    if (settings_.hang_method == method) {
      // gRPC tells a synchronous server of the caller's leaving only when asked.
      std::unique_lock lock(mutex);
      while (!context.IsCancelled()) changed.wait_for(lock, std::chrono::milliseconds(5));
      return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

  void Begin(Container& container, const Sandbox& sandbox) {
    std::ofstream(sandbox.log_directory + "/" + container.log_path, std::ios::app)
        << settings_.script.log;
    container.running = settings_.script.runs_on;
    container.exited = !settings_.script.runs_on;
    container.exit_code = settings_.script.exit_code;
  }

  class Runtime final : public cri::RuntimeService::Service {
   public:
    explicit Runtime(Impl& impl) : impl_(impl) {}

    grpc::Status Version(grpc::ServerContext* context, const cri::VersionRequest*,
                         cri::VersionResponse* response) override {
      response->set_runtime_name("containerd");
      response->set_runtime_version("9.9.9");
      return impl_.Enter("Version", *context);
    }

    grpc::Status RunPodSandbox(grpc::ServerContext* context,
                               const cri::RunPodSandboxRequest* request,
                               cri::RunPodSandboxResponse* response) override {
      if (auto status = impl_.Enter("RunPodSandbox", *context); !status.ok()) return status;
      const auto& config = request->config();
      const std::lock_guard lock(impl_.mutex);
      const std::string id = "5a" + std::to_string(impl_.sandboxes.size()) + "b0c0d0e0f0a1b1c1";
      const auto& namespaces = config.linux().security_context().namespace_options();
      impl_.sandboxes.insert_or_assign(
          id, Sandbox{.name = config.metadata().name(),
                      .uid = config.metadata().uid(),
                      .runtime_handler = request->runtime_handler(),
                      .annotations = {config.annotations().begin(), config.annotations().end()},
                      .log_directory = config.log_directory(),
                      .host_network = namespaces.network() == cri::NODE,
                      .cgroup_parent = config.linux().cgroup_parent()});
      response->set_pod_sandbox_id(id);
      return grpc::Status::OK;
    }

    grpc::Status StopPodSandbox(grpc::ServerContext* context,
                                const cri::StopPodSandboxRequest* request,
                                cri::StopPodSandboxResponse*) override {
      if (auto status = impl_.Enter("StopPodSandbox", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      const auto sandbox = impl_.sandboxes.find(request->pod_sandbox_id());
      if (sandbox != impl_.sandboxes.end()) sandbox->second.ready = false;
      for (auto& [id, container] : impl_.containers) {
        if (container.sandbox == request->pod_sandbox_id()) container.running = false;
      }
      return grpc::Status::OK;
    }

    grpc::Status RemovePodSandbox(grpc::ServerContext* context,
                                  const cri::RemovePodSandboxRequest* request,
                                  cri::RemovePodSandboxResponse*) override {
      if (auto status = impl_.Enter("RemovePodSandbox", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      if (impl_.settings_.removals_refused > 0) {
        --impl_.settings_.removals_refused;
        return {grpc::StatusCode::UNKNOWN, "container is still running, to stop first"};
      }
      impl_.sandboxes.erase(request->pod_sandbox_id());
      std::erase_if(impl_.containers, [&](const auto& entry) {
        return entry.second.sandbox == request->pod_sandbox_id();
      });
      return grpc::Status::OK;
    }

    grpc::Status ListPodSandbox(grpc::ServerContext* context, const cri::ListPodSandboxRequest*,
                                cri::ListPodSandboxResponse* response) override {
      if (auto status = impl_.Enter("ListPodSandbox", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      int64_t created = 1'700'000'000'000'000'000;
      for (const auto& [id, sandbox] : impl_.sandboxes) {
        auto* item = response->add_items();
        item->set_id(id);
        item->mutable_metadata()->set_name(sandbox.name);
        item->set_state(sandbox.ready ? cri::SANDBOX_READY : cri::SANDBOX_NOTREADY);
        item->set_created_at(created);
        item->set_runtime_handler(sandbox.runtime_handler);
        (*item->mutable_labels())["dev.locket.pod"] = sandbox.name;
        created += 1'000'000'000;
      }
      if (impl_.settings_.foreign_pod) response->add_items()->set_id("foreign");
      return grpc::Status::OK;
    }

    grpc::Status CreateContainer(grpc::ServerContext* context,
                                 const cri::CreateContainerRequest* request,
                                 cri::CreateContainerResponse* response) override {
      if (auto status = impl_.Enter("CreateContainer", *context); !status.ok()) return status;
      const auto& config = request->config();
      const std::lock_guard lock(impl_.mutex);
      const std::string id = "c" + std::to_string(impl_.containers.size());
      std::vector<std::string> mounts;
      for (const auto& mount : config.mounts()) {
        mounts.push_back(mount.container_path() + "=" + mount.host_path());
      }
      const auto label = config.labels().find("dev.locket.image");
      impl_.containers.insert_or_assign(
          id, Container{.sandbox = request->pod_sandbox_id(),
                        .name = config.metadata().name(),
                        .image = config.image().image() + "|" +
                                 (label == config.labels().end() ? "" : label->second),
                        .command = {config.command().begin(), config.command().end()},
                        .mounts = std::move(mounts),
                        .memory_limit = config.linux().resources().memory_limit_in_bytes(),
                        .log_path = config.log_path()});
      response->set_container_id(id);
      return grpc::Status::OK;
    }

    grpc::Status StartContainer(grpc::ServerContext* context,
                                const cri::StartContainerRequest* request,
                                cri::StartContainerResponse*) override {
      if (auto status = impl_.Enter("StartContainer", *context); !status.ok()) return status;
      {
        const std::lock_guard lock(impl_.mutex);
        auto& container = impl_.containers.at(request->container_id());
        impl_.Begin(container, impl_.sandboxes.at(container.sandbox));
      }
      impl_.changed.notify_all();
      return grpc::Status::OK;
    }

    grpc::Status ExecSync(grpc::ServerContext* context, const cri::ExecSyncRequest* request,
                          cri::ExecSyncResponse* response) override {
      if (auto status = impl_.Enter("ExecSync", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      auto& container = impl_.containers.at(request->container_id());
      container.exec.assign(request->cmd().begin(), request->cmd().end());
      container.exec.push_back(std::to_string(request->timeout()));
      response->set_stdout(impl_.settings_.script.exec_out);
      response->set_stderr(impl_.settings_.script.exec_err);
      response->set_exit_code(impl_.settings_.script.exit_code);
      return grpc::Status::OK;
    }

    grpc::Status ContainerStatus(grpc::ServerContext* context,
                                 const cri::ContainerStatusRequest* request,
                                 cri::ContainerStatusResponse* response) override {
      if (auto status = impl_.Enter("ContainerStatus", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      const auto& container = impl_.containers.at(request->container_id());
      auto* status = response->mutable_status();
      status->set_state(StateOf(container));
      status->set_exit_code(container.exit_code);
      status->set_reason(impl_.settings_.script.reason);
      status->set_message(impl_.settings_.script.message);
      status->set_log_path(impl_.sandboxes.at(container.sandbox).log_directory + "/" +
                           container.log_path);
      return grpc::Status::OK;
    }

    grpc::Status ListContainers(grpc::ServerContext* context, const cri::ListContainersRequest*,
                                cri::ListContainersResponse* response) override {
      if (auto status = impl_.Enter("ListContainers", *context); !status.ok()) return status;
      const std::lock_guard lock(impl_.mutex);
      for (const auto& [id, container] : impl_.containers) {
        auto* item = response->add_containers();
        item->set_id(id);
        item->set_pod_sandbox_id(container.sandbox);
        item->mutable_metadata()->set_name(container.name);
        item->set_state(StateOf(container));
        item->set_created_at(1'700'000'000'000'000'000);
        const size_t bar = container.image.find('|');
        (*item->mutable_labels())["dev.locket.image"] = container.image.substr(bar + 1);
      }
      return grpc::Status::OK;
    }

   private:
    cri::ContainerState StateOf(const Container& container) const {
      if (impl_.settings_.script.state_unknown) return cri::CONTAINER_UNKNOWN;
      if (container.exited) return cri::CONTAINER_EXITED;
      return container.running ? cri::CONTAINER_RUNNING : cri::CONTAINER_CREATED;
    }
    Impl& impl_;
  };

  class Images final : public cri::ImageService::Service {
   public:
    explicit Images(Impl& impl) : impl_(impl) {}
    grpc::Status PullImage(grpc::ServerContext* context, const cri::PullImageRequest* request,
                           cri::PullImageResponse* response) override {
      if (auto status = impl_.Enter("PullImage", *context); !status.ok()) return status;
      if (request->sandbox_config().metadata().name().empty()) {
        return {grpc::StatusCode::INVALID_ARGUMENT, "no sandbox config"};
      }
      const auto& annotations = request->sandbox_config().annotations();
      const auto handler = annotations.find("io.containerd.cri.runtime-handler");
      const std::lock_guard lock(impl_.mutex);
      impl_.pulled_for = request->image().runtime_handler() + "|" +
                         (handler == annotations.end() ? "" : handler->second);
      response->set_image_ref("id-of-" + request->image().image());
      return grpc::Status::OK;
    }

   private:
    Impl& impl_;
  };

  FakeCriServer& settings_;
  Runtime runtime_;
  Images images_;
  std::unique_ptr<grpc::Server> server_;
};

FakeCriServer::FakeCriServer(const std::string& socket) : impl_(std::make_unique<Impl>(*this)) {
  impl_->Start(socket);
}
FakeCriServer::~FakeCriServer() { impl_->Stop(); }

std::vector<std::string> FakeCriServer::calls() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->calls;
}
std::string FakeCriServer::pulled_for() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->pulled_for;
}
std::map<std::string, FakeCriServer::Sandbox> FakeCriServer::sandboxes() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->sandboxes;
}
std::map<std::string, FakeCriServer::Container> FakeCriServer::containers() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->containers;
}
void FakeCriServer::WaitForRunning() {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] {
    return std::any_of(impl_->containers.begin(), impl_->containers.end(),
                       [](const auto& entry) { return entry.second.running; });
  });
}
void FakeCriServer::WaitForCall(const std::string& method) {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] {
    return std::find(impl_->calls.begin(), impl_->calls.end(), method) != impl_->calls.end();
  });
}

}  // namespace locket::cli
