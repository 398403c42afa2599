// The pod in this guest: its containers by name. Every argument is the host's word.
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

// ImageOpener::Open, or the reason why this guest opens no image.
using ImageSource = std::function<Result<std::unique_ptr<guest_mounter::OpenImage>>(
    const guest_mounter::OpenRequest&)>;

// ApplyNetwork on this machine, or empty: the tenant lets the pod have no network.
using NetworkSetup = std::function<Status(const GuestNetwork&)>;
// The pod's scratch, made anew: Scratch::Open.
using ScratchSource = std::function<Result<std::unique_ptr<guest_mounter::Scratch>>()>;

struct SandboxOptions {
  std::filesystem::path directory;  // of the containers' bundles
  SpecPolicy policy{};
  NetworkSetup set_up_network{};
  ScratchSource scratch{};  // called at most once with success
};

// Thread-safe.
class Sandbox {
 public:
  Sandbox(const ContainerSeams& seams, ImageSource images, SandboxOptions options)
      : seams_(seams), images_(std::move(images)), options_(std::move(options)) {}

  // The host offers a disk for what containers write, which is kept in memory otherwise. Before
  // Create; repeatable.
  Status OpenScratch();

  // `network` is null for a pod that has none. What of it the guest does not take, in words.
  // kAlreadyExists: it was called before.
  Result<std::vector<std::string>> Create(const std::string& id, const std::string& hostname,
                                          const GuestNetwork* network = nullptr);

  // The digest of the image's manifest. kFailedPrecondition: no sandbox yet. kAlreadyExists: there
  // is such a container. On failure there is none.
  Result<std::string> PrepareRootfs(const std::string& container_id,
                                    guest_mounter::OpenRequest request);

  // kNotFound: there is none of that name.
  Result<std::shared_ptr<Container>> Find(const std::string& container_id);

  // Its first process, or with an exec ID that exec. kNotFound: there is none of that name.
  Result<std::shared_ptr<GuestProcess>> FindProcess(const std::string& container_id,
                                                    const std::string& exec_id);

  const SpecPolicy& policy() const { return options_.policy; }

  // Succeeds when there is none of that name.
  Status Delete(const std::string& container_id);
  // Each one's failure is logged.
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
