#include "guest-agent/pod/sandbox.h"

#include "base/log.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxContainers = 256;
constexpr char kFallbackHostname[] = "locket";

}  // namespace

Status Sandbox::OpenScratch() {
  const std::lock_guard lock(mutex_);
  if (created_) return Error(ErrorCode::kAlreadyExists, "this guest has its sandbox already");
  if (scratch_ != nullptr) return Ok();
  LOCKET_TRY_ASSIGN(scratch_, options_.scratch());
  seams_.volumes.UseScratch(scratch_->path());
  return Ok();
}

Result<std::vector<std::string>> Sandbox::Create(const std::string& id, const std::string& hostname,
                                                 const GuestNetwork* network) {
  LOCKET_TRY(CheckContainerId(id).While("sandbox"));
  LOCKET_TRY(CheckHostname(hostname));
  const std::lock_guard lock(mutex_);
  if (created_) return Error(ErrorCode::kAlreadyExists, "this guest has its sandbox already");
  std::vector<std::string> left_out;
  if (network != nullptr && options_.set_up_network == nullptr) {
    left_out.emplace_back(
        "network (the pod has a loopback interface only: set allow_network = true in initdata's "
        "[agent])");
  } else if (network != nullptr) {
    LOCKET_TRY(options_.set_up_network(*network).While("set up the pod's network"));
    network_ = *network;
  }
  if (scratch_ == nullptr) {
    log::Info("no scratch disk: what containers write is kept in memory");
  }
  created_ = true;
  hostname_ = hostname.empty() ? kFallbackHostname : hostname;
  return left_out;
}

Status Sandbox::PrepareRootfs(const std::string& container_id, guest_mounter::OpenRequest request) {
  LOCKET_TRY(CheckContainerId(container_id));
  {
    const std::lock_guard lock(mutex_);
    if (!created_) return Error(ErrorCode::kFailedPrecondition, "CreateSandbox comes first");
    if (containers_.size() >= kMaxContainers) {
      return Error(ErrorCode::kResourceExhausted, "too many containers");
    }
    if (!containers_.try_emplace(container_id).second) {
      return Error(ErrorCode::kAlreadyExists, "container '" + container_id + "' exists");
    }
    if (scratch_ != nullptr) request.scratch = scratch_->path();
  }
  auto image = images_(request);
  const std::lock_guard lock(mutex_);
  if (!image.ok()) {
    containers_.erase(container_id);
    return std::move(image).error();
  }
  containers_[container_id] =
      std::make_shared<Container>(seams_, std::move(*image),
                                  ContainerOptions{.id = container_id,
                                                   .directory = options_.directory / container_id,
                                                   .default_hostname = hostname_,
                                                   .network = network_});
  return Ok();
}

Result<std::shared_ptr<Container>> Sandbox::Find(const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  const auto it = containers_.find(container_id);
  if (it == containers_.end() || it->second == nullptr) {
    return Error(ErrorCode::kNotFound, "there is no such container");
  }
  return it->second;
}

Result<std::shared_ptr<GuestProcess>> Sandbox::FindProcess(const std::string& container_id,
                                                           const std::string& exec_id) {
  LOCKET_TRY_ASSIGN(std::shared_ptr<Container> container, Find(container_id));
  if (exec_id.empty()) return std::shared_ptr<GuestProcess>(std::move(container));
  LOCKET_TRY_ASSIGN(std::shared_ptr<Exec> exec, container->FindExec(exec_id));
  return std::shared_ptr<GuestProcess>(std::move(exec));
}

Status Sandbox::Delete(const std::string& container_id) {
  auto container = Find(container_id);
  if (!container.ok()) return Ok();
  LOCKET_TRY((*container)->Delete());
  const std::lock_guard lock(mutex_);
  containers_.erase(container_id);
  return Ok();
}

void Sandbox::DeleteAll() {
  std::map<std::string, std::shared_ptr<Container>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(containers_);
  }
  for (const auto& [id, container] : all) {
    if (container == nullptr) continue;  // its call under way gives up: the guest goes down
    const Status deleted = container->Delete();
    if (!deleted.ok()) log::Warning("leaving a container", {log::Field(deleted.error())});
  }
}

}  // namespace locket::guest_agent
