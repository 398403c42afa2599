// The pod in this guest: its containers by name. All arguments come from the host and are
// untrusted.
//
// The host calls, in this order: OpenScratch if there is a scratch disk, Create once, and then for
// each container PrepareRootfs and the methods of Container.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "guest-agent/network/network.h"
#include "guest-agent/pod/container.h"
#include "guest-agent/policy/names.h"
#include "guest-mounter/image_opener.h"
#include "guest-mounter/scratch.h"

namespace locket::guest_agent {

// Opens an image: ImageOpener::Open. Or returns the reason why this guest opens no image.
using ImageSource = std::function<Result<std::unique_ptr<guest_mounter::OpenImage>>(
    const guest_mounter::OpenRequest&)>;

// Sets the pod's network up: ApplyNetwork on this machine. Empty: the tenant does not allow a
// network.
using NetworkSetup = std::function<Status(const GuestNetwork&)>;
// Formats the scratch disk and opens it: Scratch::Open.
using ScratchSource = std::function<Result<std::unique_ptr<guest_mounter::Scratch>>()>;

struct SandboxOptions {
  std::filesystem::path directory;  // for the containers' bundles
  initdata::GuestPolicy policy{};
  NetworkSetup set_up_network{};
  ScratchSource scratch{};  // called at most once with success
};

// Thread-safe.
class Sandbox {
 public:
  Sandbox(const ContainerSeams& seams, ImageSource images, SandboxOptions options)
      : seams_(seams), images_(std::move(images)), options_(std::move(options)) {}

  // Opens the disk that the host provides for what containers write. Without it that is kept in
  // memory. Succeeds when it is open already. On failure it can be repeated. kAlreadyExists: Create
  // was called.
  Status OpenScratch();

  // Makes the pod. `network` is null for a pod that has none. Returns what of it the guest does not
  // take, in words. kAlreadyExists: there is a pod already. kInvalidArgument: a name is malformed.
  // On failure there is no pod.
  Result<std::vector<std::string>> Create(const std::string& id, const std::string& hostname,
                                          const GuestNetwork* network = nullptr);

  // Opens an image as the root directory of a new container. On failure there is no such container.
  // kFailedPrecondition: there is no pod yet, or the guest opens no image. kAlreadyExists: there is
  // such a container. kResourceExhausted: there are too many. Else as ImageOpener::Open.
  Status PrepareRootfs(const std::string& container_id, guest_mounter::OpenRequest request);

  // Returns the container of that name. kNotFound: there is none, or its image is still being
  // opened.
  Result<std::shared_ptr<Container>> Find(const std::string& container_id);

  // Returns a container's first process, or with an exec ID that exec. kNotFound: there is none of
  // that name.
  Result<std::shared_ptr<GuestProcess>> FindProcess(const std::string& container_id,
                                                    const std::string& exec_id);

  const initdata::GuestPolicy& policy() const { return options_.policy; }

  // Deletes a container and forgets it; on failure it stays. Succeeds when there is none of that
  // name.
  Status Delete(const std::string& container_id);
  // Deletes all containers. Failures are logged.
  void DeleteAll();

 private:
  const ContainerSeams seams_;
  const ImageSource images_;
  const SandboxOptions options_;

  std::mutex mutex_;
  bool created_ = false;
  std::string hostname_;
  GuestNetwork network_;
  std::unique_ptr<guest_mounter::Scratch> scratch_;  // null: none; outlives the containers
  // Shared with calls under way. Null while its root directory is being prepared.
  std::map<std::string, std::shared_ptr<Container>> containers_;
};

}  // namespace locket::guest_agent
