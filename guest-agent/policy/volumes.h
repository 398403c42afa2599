// Empty volumes (emptyDir of Kubernetes): directories that the containers of a pod share, for as
// long as the pod runs. The host has a directory for each, but the guest never sees what is in it:
// it takes only the volume's name from the host.
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

// Returns the volume's name if `source`, the source of a mount that the host asks for, has the form
// of kubelet's directory for an empty volume: .../pods/UID/volumes/kubernetes.io~empty-dir/NAME.
std::optional<std::string> EmptyVolumeName(std::string_view source);

// A volume in a container.
struct VolumeMount {
  std::string name;         // of the volume
  std::string destination;  // in the container
  bool read_only;
  std::filesystem::path directory{};  // in the guest: EmptyVolumes::Open(name); empty until then

  bool operator==(const VolumeMount&) const = default;
};

struct ChosenVolumes {
  std::vector<VolumeMount> mounts{};
  // The host's other mounts, in words, without those that the guest makes itself (/proc and the
  // like).
  std::vector<std::string> left_out{};
};

// Chooses from the host's mounts the empty volumes whose destinations are in `allowed`. Of several
// with the same destination the first counts.
ChosenVolumes ChooseVolumes(const std::vector<HostMount>& mounts,
                            const std::vector<std::string>& allowed);

// The empty volumes of the pod. They are in memory, unless the pod has a scratch disk. Thread-safe.
class EmptyVolumes {
 public:
  // Volumes in memory will be on a tmpfs at `directory`. Nothing is made before the first is
  // opened.
  EmptyVolumes(device::MountControl& mounts, std::filesystem::path directory)
      : mounts_(mounts), directory_(std::move(directory)) {}

  // Puts the volumes that are opened from now on under the directory `scratch`, which outlives this
  // object.
  void UseScratch(std::filesystem::path scratch);

  // Returns the directory of volume `name`. It is made, empty, when the name comes for the first
  // time. kResourceExhausted: the pod has too many volumes.
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
