// What the shim reads from a bundle's config.json: where a container belongs and what pod it is of.
// The file itself goes to the guest as it is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::runtime_shim {

inline constexpr size_t kMaxSpecBytes = 3U << 20;  // it must fit a ttrpc message of 4 MiB

enum class ContainerKind {
  kSandbox,    // boots the VM
  kContainer,  // joins the VM of `sandbox_id`
  kSingle,     // no pod around it (ctr run): not supported, but told apart
};

struct BundleSpec {
  ContainerKind kind = ContainerKind::kSingle;
  std::string sandbox_id{};       // kContainer only
  std::string image_name{};       // for messages; may be empty
  std::string hostname{};         // of the pod; may be empty
  std::string initdata_base64{};  // annotation cc_init_data; may be empty
  std::string netns{};            // path of the pod's network namespace; empty: it has none
  std::string cgroups_path{};     // linux.cgroupsPath of a sandbox; may be empty
  std::string resolv_conf{};      // the host's file that is to be /etc/resolv.conf; may be empty
  bool operator==(const BundleSpec&) const = default;
};

// kInvalidArgument: not JSON, texts and lists that are something else, an unknown container type,
// or a container without a (well-formed) sandbox ID.
Result<BundleSpec> ParseBundleSpec(std::string_view json);

// The bytes of `bundle`/config.json.
Result<std::string> ReadBundleConfig(const std::filesystem::path& bundle);

}  // namespace locket::runtime_shim
