// Empty volumes (Kubernetes' emptyDir): directories that the containers of a pod share, as long as
// the pod lives. What the host keeps in its own directory is never seen: only the name counts.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/mounted.h"
#include "guest-agent/policy/host_request.h"

namespace locket::guest_agent {

// The volume's name if `source` has the shape of kubelet's directory for an empty volume,
// .../pods/UID/volumes/kubernetes.io~empty-dir/NAME.
std::optional<std::string> EmptyVolumeName(std::string_view source);

struct VolumeMount {
  std::string name;
  std::string destination;
  bool read_only;
  std::filesystem::path directory{};  // of the guest's; filled in by whoever has it

  bool operator==(const VolumeMount&) const = default;
};

struct ChosenVolumes {
  std::vector<VolumeMount> mounts{};
  std::vector<std::string> left_out{};  // the other mounts, in words, but those the guest makes
};

// Of the host's mounts the empty volumes at destinations that `allowed` lists, each destination
// once.
ChosenVolumes ChooseVolumes(const std::vector<HostMount>& mounts,
                            const std::vector<std::string>& allowed);

// The pod's empty volumes. Thread-safe.
class EmptyVolumes {
 public:
  // In memory, on a tmpfs at `directory`, which the first volume makes; its parent exists or is
  // made.
  EmptyVolumes(device::MountControl& mounts, std::filesystem::path directory)
      : mounts_(mounts), directory_(std::move(directory)) {}

  // The volumes opened from now on are directories of `scratch`, which outlives this.
  void UseScratch(std::filesystem::path scratch);

  // The directory of volume `name`, made empty if it is the first time. kResourceExhausted: too
  // many volumes.
  Result<std::filesystem::path> Open(const std::string& name);

 private:
  Result<std::filesystem::path> Parent();

  device::MountControl& mounts_;
  const std::filesystem::path directory_;
  std::mutex mutex_;
  std::filesystem::path scratch_{};  // empty: none
  std::optional<device::Mounted> memory_{};
  std::map<std::string, std::filesystem::path> open_{};  // by name
};

}  // namespace locket::guest_agent
