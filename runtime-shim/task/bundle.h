// What the shim itself reads from a bundle's config.json: whether it is a pod's sandbox or a
// container of a pod, and what the VM depends on. The guest gets the file as it is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxSpecBytes = 3U << 20;  // it has to fit into a ttrpc message of 4 MiB

enum class ContainerKind {
  kSandbox,    // boots the VM
  kContainer,  // joins the VM of `sandbox_id`
  kSingle,     // not part of a pod (ctr run): recognised, and then refused
};

// Taken from the annotations that containerd's CRI plugin sets, and from the OCI spec.
struct BundleSpec {
  ContainerKind kind = ContainerKind::kSingle;
  std::string sandbox_id{};       // kContainer only
  std::string image_name{};       // for messages; may be empty
  std::string hostname{};         // of the pod; may be empty
  std::string initdata_base64{};  // annotation cc_init_data; may be empty
  std::string netns{};            // path of the pod's network namespace; empty: it has none
  std::string cgroups_path{};     // linux.cgroupsPath of a sandbox; may be empty
  std::string resolv_conf{};      // path of the host's file for /etc/resolv.conf; may be empty
  bool operator==(const BundleSpec&) const = default;
};

// Returns what the shim needs of a config.json. kInvalidArgument: not JSON, a value of another type
// than the OCI spec says, an unknown container type, or a container without a sandbox ID or with
// one that is not an identifier.
Result<BundleSpec> ParseBundleSpec(std::string_view json);

// Returns the bytes of `bundle`/config.json. kNotFound: there is none. kResourceExhausted: it is
// larger than kMaxSpecBytes.
Result<std::string> ReadBundleConfig(const std::filesystem::path& bundle);

}  // namespace locket::runtime_shim
