#include "cli/pod/cri_client.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cli/grpc_code.h"
#include "proto/cri.grpc.pb.h"

namespace locket::cli {
namespace {

namespace cri = runtime::v1;

// Twice 16 MiB of an exec's output, and the frame around it.
constexpr int kMaxAnswerBytes = 33 << 20;
constexpr std::string_view kImageLabel = "dev.locket.image";
// Whose snapshotter gets the image, where each runtime has one: containerd 1.7 to 2.4 look here,
// later ones at the image's runtime handler (internal/cri/server/images/image_pull.go).
constexpr const char* kRuntimeHandlerAnnotation = "io.containerd.cri.runtime-handler";

ContainerState StateOf(cri::ContainerState state) {
  switch (state) {
    case cri::CONTAINER_CREATED:
      return ContainerState::kCreated;
    case cri::CONTAINER_RUNNING:
      return ContainerState::kRunning;
    case cri::CONTAINER_EXITED:
      return ContainerState::kExited;
    default:
      return ContainerState::kUnknown;
  }
}

// The host's needs no CNI configuration.
cri::NamespaceMode NetworkMode(const PodSpec& pod) { return pod.network ? cri::POD : cri::NODE; }

cri::PodSandboxConfig SandboxConfig(const PodSpec& pod) {
  cri::PodSandboxConfig config;
  config.mutable_metadata()->set_name(pod.name);
  config.mutable_metadata()->set_uid(pod.uid);
  config.mutable_metadata()->set_namespace_("default");
  config.set_log_directory(pod.log_directory);
  (*config.mutable_labels())[std::string(kPodLabel)] = pod.name;
  for (const auto& [key, value] : pod.annotations) (*config.mutable_annotations())[key] = value;
  (*config.mutable_annotations())[kRuntimeHandlerAnnotation] = pod.runtime_handler;
  config.mutable_linux()->set_cgroup_parent(pod.cgroup_parent);
  auto* namespaces =
      config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  namespaces->set_network(NetworkMode(pod));
  namespaces->set_pid(cri::CONTAINER);
  return config;
}

cri::ContainerConfig ContainerConfig(const ContainerSpec& container, const PodSpec& pod) {
  cri::ContainerConfig config;
  config.mutable_metadata()->set_name(container.name);
  config.mutable_image()->set_image(container.image);
  config.set_log_path(container.log_path);
  (*config.mutable_labels())[std::string(kImageLabel)] = container.image_reference;
  for (const auto& word : container.command) config.add_command(word);
  for (const auto& mount : container.mounts) {
    auto* asked = config.add_mounts();
    asked->set_host_path(mount.host_path);
    asked->set_container_path(mount.container_path);
  }
  if (container.memory_limit_bytes > 0) {
    config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(
        container.memory_limit_bytes);
  }
  auto* namespaces =
      config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  namespaces->set_network(NetworkMode(pod));
  namespaces->set_pid(cri::CONTAINER);
  return config;
}

// Cancels the call that is running when `interrupt_fd` becomes readable, and all that follow.
class Interrupter {
 public:
  explicit Interrupter(int interrupt_fd) : end_(::eventfd(0, EFD_CLOEXEC)) {
    if (interrupt_fd < 0) return;
    thread_ = std::thread([this, interrupt_fd] { Watch(interrupt_fd); });
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;
  ~Interrupter() {
    const uint64_t one = 1;
    if (::write(end_.get(), &one, sizeof one) < 0) return;  // cannot fail on a fresh eventfd
    if (thread_.joinable()) thread_.join();
  }

  void Enter(grpc::ClientContext& call) {
    const MutexLock lock(mutex_);
    current_ = &call;
    if (interrupted_ && !ignored_) call.TryCancel();
  }
  void Leave() {
    const MutexLock lock(mutex_);
    current_ = nullptr;
  }
  void Ignore() {
    const MutexLock lock(mutex_);
    ignored_ = true;
  }
  bool interrupted() const {
    const MutexLock lock(mutex_);
    return interrupted_ && !ignored_;
  }

 private:
  void Watch(int interrupt_fd) {
    pollfd fds[] = {{interrupt_fd, POLLIN, 0}, {end_.get(), POLLIN, 0}};
    while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[0].revents == 0) return;
    const MutexLock lock(mutex_);
    interrupted_ = true;
    if (current_ != nullptr && !ignored_) current_->TryCancel();
  }

  mutable Mutex mutex_;
  bool interrupted_ LOCKET_GUARDED_BY(mutex_) = false;
  bool ignored_ LOCKET_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* current_ LOCKET_GUARDED_BY(mutex_) = nullptr;
  UniqueFd end_;
  std::thread thread_;
};

}  // namespace

class CriClient::Impl {
 public:
  Impl(const std::string& socket, int interrupt_fd)
      : socket_(socket),
        channel_(grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(),
                                           Arguments())),
        runtime_(cri::RuntimeService::NewStub(channel_)),
        images_(cri::ImageService::NewStub(channel_)),
        interrupter_(interrupt_fd) {}

  // Runs `method(context, request, &response)`.
  template <typename Response, typename Service, typename Method, typename Request>
  Result<Response> Call(Service& service, Method method, const Request& request, Timeout timeout) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    interrupter_.Enter(context);
    Response response;
    const grpc::Status status = (service.*method)(&context, request, &response);
    interrupter_.Leave();
    if (status.ok()) return response;
    return Explain(status, timeout);
  }

  cri::RuntimeService::Stub& runtime() { return *runtime_; }
  cri::ImageService::Stub& images() { return *images_; }
  Interrupter& interrupter() { return interrupter_; }

 private:
  static grpc::ChannelArguments Arguments() {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
    return arguments;
  }

  Error Explain(const grpc::Status& status, Timeout timeout) const {
    const ErrorCode code = CodeOf(status.error_code());
    if (code == ErrorCode::kCancelled && interrupter_.interrupted()) {
      return {ErrorCode::kCancelled, "interrupted"};
    }
    // gRPC's own words; others are containerd's, of a limit that it keeps.
    if (code == ErrorCode::kDeadlineExceeded && status.error_message() == "Deadline Exceeded") {
      return {code, "containerd did not answer within " +
                        std::to_string(
                            std::chrono::duration_cast<std::chrono::seconds>(timeout).count()) +
                        " s"};
    }
    if (code == ErrorCode::kUnavailable) {
      return {code, "connect to containerd at '" + socket_ + "': " + status.error_message()};
    }
    return {code,
            status.error_message().empty() ? "containerd gave no reason" : status.error_message()};
  }

  const std::string socket_;
  std::shared_ptr<grpc::Channel> channel_;  // gRPC hands it out shared
  std::unique_ptr<cri::RuntimeService::Stub> runtime_;
  std::unique_ptr<cri::ImageService::Stub> images_;
  Interrupter interrupter_;
};

using Runtime = cri::RuntimeService::Stub;

CriClient::CriClient(const std::string& socket, int interrupt_fd)
    : impl_(std::make_unique<Impl>(socket, interrupt_fd)) {}
CriClient::~CriClient() = default;

void CriClient::IgnoreInterruption() { impl_->interrupter().Ignore(); }

Result<std::string> CriClient::Version(Timeout timeout) {
  LOCKET_TRY_ASSIGN(const auto answer,
                    impl_->Call<cri::VersionResponse>(impl_->runtime(), &Runtime::Version,
                                                      cri::VersionRequest(), timeout));
  return answer.runtime_name() + " " + answer.runtime_version();
}

Result<std::string> CriClient::Config(Timeout timeout) {
  cri::StatusRequest request;
  request.set_verbose(true);
  LOCKET_TRY_ASSIGN(const auto answer, impl_->Call<cri::StatusResponse>(
                                           impl_->runtime(), &Runtime::Status, request, timeout));
  const auto config = answer.info().find("config");
  return config == answer.info().end() ? std::string() : config->second;
}

Result<std::vector<std::string>> CriClient::ImageDirectories(Timeout timeout) {
  LOCKET_TRY_ASSIGN(const auto answer, impl_->Call<cri::ImageFsInfoResponse>(
                                           impl_->images(), &cri::ImageService::Stub::ImageFsInfo,
                                           cri::ImageFsInfoRequest(), timeout));
  std::vector<std::string> directories;
  for (const auto& usage : answer.image_filesystems()) {
    directories.push_back(usage.fs_id().mountpoint());
  }
  return directories;
}

Result<std::string> CriClient::RunPod(const PodSpec& pod, Timeout timeout) {
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = SandboxConfig(pod);
  request.set_runtime_handler(pod.runtime_handler);
  LOCKET_TRY_ASSIGN(const auto answer,
                    impl_->Call<cri::RunPodSandboxResponse>(
                        impl_->runtime(), &Runtime::RunPodSandbox, request, timeout));
  return answer.pod_sandbox_id();
}

Result<std::string> CriClient::PullImage(const std::string& image, const PodSpec& pod,
                                         Timeout timeout) {
  cri::PullImageRequest request;
  request.mutable_image()->set_image(image);
  request.mutable_image()->set_runtime_handler(pod.runtime_handler);
  *request.mutable_sandbox_config() = SandboxConfig(pod);
  LOCKET_TRY_ASSIGN(const auto answer,
                    impl_->Call<cri::PullImageResponse>(
                        impl_->images(), &cri::ImageService::Stub::PullImage, request, timeout));
  return answer.image_ref();
}

Result<std::string> CriClient::CreateContainer(const std::string& pod_id, const PodSpec& pod,
                                               const ContainerSpec& container, Timeout timeout) {
  cri::CreateContainerRequest request;
  request.set_pod_sandbox_id(pod_id);
  *request.mutable_config() = ContainerConfig(container, pod);
  *request.mutable_sandbox_config() = SandboxConfig(pod);
  LOCKET_TRY_ASSIGN(const auto answer,
                    impl_->Call<cri::CreateContainerResponse>(
                        impl_->runtime(), &Runtime::CreateContainer, request, timeout));
  return answer.container_id();
}

Status CriClient::StartContainer(const std::string& container_id, Timeout timeout) {
  cri::StartContainerRequest request;
  request.set_container_id(container_id);
  LOCKET_TRY(impl_->Call<cri::StartContainerResponse>(impl_->runtime(), &Runtime::StartContainer,
                                                      request, timeout));
  return Ok();
}

Status CriClient::StopContainer(const std::string& container_id, std::chrono::seconds grace,
                                Timeout timeout) {
  cri::StopContainerRequest request;
  request.set_container_id(container_id);
  request.set_timeout(grace.count());
  LOCKET_TRY(impl_->Call<cri::StopContainerResponse>(impl_->runtime(), &Runtime::StopContainer,
                                                     request, timeout));
  return Ok();
}

Result<ExecOutput> CriClient::Exec(const std::string& container_id,
                                   const std::vector<std::string>& command,
                                   std::chrono::seconds limit, Timeout timeout) {
  cri::ExecSyncRequest request;
  request.set_container_id(container_id);
  request.mutable_cmd()->Assign(command.begin(), command.end());
  request.set_timeout(limit.count());
  LOCKET_TRY_ASSIGN(auto answer, impl_->Call<cri::ExecSyncResponse>(
                                     impl_->runtime(), &Runtime::ExecSync, request, timeout));
  return ExecOutput{.standard_output = std::move(*answer.mutable_stdout()),
                    .standard_error = std::move(*answer.mutable_stderr()),
                    .exit_code = answer.exit_code()};
}

Result<ContainerStatus> CriClient::GetContainer(const std::string& container_id, Timeout timeout) {
  cri::ContainerStatusRequest request;
  request.set_container_id(container_id);
  LOCKET_TRY_ASSIGN(const auto answer,
                    impl_->Call<cri::ContainerStatusResponse>(
                        impl_->runtime(), &Runtime::ContainerStatus, request, timeout));
  const auto& status = answer.status();
  return ContainerStatus{.state = StateOf(status.state()),
                         .exit_code = status.exit_code(),
                         .reason = status.reason(),
                         .message = status.message(),
                         .log_path = status.log_path()};
}

Result<std::vector<ContainerInfo>> CriClient::ListContainers(Timeout timeout) {
  LOCKET_TRY_ASSIGN(const auto pods, ListPods(timeout));
  LOCKET_TRY_ASSIGN(const auto answer, impl_->Call<cri::ListContainersResponse>(
                                           impl_->runtime(), &Runtime::ListContainers,
                                           cri::ListContainersRequest(), timeout));
  std::vector<ContainerInfo> found;
  for (const auto& container : answer.containers()) {
    const bool ours = std::any_of(pods.begin(), pods.end(), [&](const PodInfo& pod) {
      return pod.id == container.pod_sandbox_id();
    });
    if (!ours) continue;
    const auto& labels = container.labels();
    const auto image = labels.find(std::string(kImageLabel));
    found.push_back({.id = container.id(),
                     .pod_id = container.pod_sandbox_id(),
                     .name = container.metadata().name(),
                     .image_reference = image == labels.end() ? "" : image->second,
                     .state = StateOf(container.state()),
                     .created_ns = container.created_at()});
  }
  return found;
}

Result<std::vector<PodInfo>> CriClient::ListPods(Timeout timeout) {
  LOCKET_TRY_ASSIGN(const auto answer, impl_->Call<cri::ListPodSandboxResponse>(
                                           impl_->runtime(), &Runtime::ListPodSandbox,
                                           cri::ListPodSandboxRequest(), timeout));
  std::vector<PodInfo> found;
  for (const auto& pod : answer.items()) {
    if (pod.labels().find(std::string(kPodLabel)) == pod.labels().end()) continue;
    found.push_back({.id = pod.id(),
                     .name = pod.metadata().name(),
                     .ready = pod.state() == cri::SANDBOX_READY,
                     .created_ns = pod.created_at(),
                     .runtime_handler = pod.runtime_handler()});
  }
  return found;
}

Status CriClient::StopPod(const std::string& pod_id, Timeout timeout) {
  cri::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(pod_id);
  LOCKET_TRY(impl_->Call<cri::StopPodSandboxResponse>(impl_->runtime(), &Runtime::StopPodSandbox,
                                                      request, timeout));
  return Ok();
}

Status CriClient::RemovePod(const std::string& pod_id, Timeout timeout) {
  cri::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(pod_id);
  LOCKET_TRY(impl_->Call<cri::RemovePodSandboxResponse>(
      impl_->runtime(), &Runtime::RemovePodSandbox, request, timeout));
  return Ok();
}

}  // namespace locket::cli
