// The OCI image model (image-spec v1). Decoders take what a registry says: sizes, counts and depth
// are bounded, a name that stands twice in one object is refused, and what we have no field for is
// kept in `extra` (a JSON object as text), so that a rewritten document loses nothing. Encoders are
// deterministic: keys sorted, no white space, empty fields left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/digest.h"

namespace locket::image {

inline constexpr size_t kMaxManifestBytes = 4U << 20;  // also indexes
inline constexpr size_t kMaxConfigBytes = 4U << 20;
inline constexpr size_t kMaxLayers = 1024;  // to bound a decoder; a guest runs fewer

struct Platform {
  std::string architecture;
  std::string os;
  std::string variant{};
  std::string extra = "{}";

  bool operator==(const Platform&) const = default;
};

// Linux on the machine this program was built for.
Platform HostPlatform();

struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size;
  std::map<std::string, std::string> annotations{};
  std::optional<Platform> platform{};
  std::string extra = "{}";

  bool operator==(const Descriptor&) const = default;
};

// A descriptor of these very bytes.
Descriptor DescriptorOf(std::string_view media_type, std::string_view bytes);

struct Manifest {
  std::string media_type;  // kOciManifest or kDockerManifest
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
  std::map<std::string, std::string> annotations{};
  std::string extra = "{}";

  bool operator==(const Manifest&) const = default;
};

struct Index {
  std::string media_type;  // kOciIndex or kDockerIndex
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations{};
  std::string extra = "{}";

  bool operator==(const Index&) const = default;
};

struct ImageConfig {
  std::string architecture;
  std::string os;
  std::string variant{};
  std::vector<Digest> diff_ids;  // bottom first
  // From "config":
  std::string user{};
  std::vector<std::string> env{};
  std::vector<std::string> entrypoint{};
  std::vector<std::string> cmd{};
  std::string working_dir{};
  std::string stop_signal{};
  std::map<std::string, std::string> labels{};
  // What else there was at the top, in "config" and in "rootfs".
  std::string extra = "{}";
  std::string config_extra = "{}";
  std::string rootfs_extra = "{}";

  bool operator==(const ImageConfig&) const = default;
};

// kInvalidArgument: not such a document, and why. Docker schema 1 and foreign versions are refused.
Result<Manifest> DecodeManifest(std::string_view json);
Result<Index> DecodeIndex(std::string_view json);
Result<ImageConfig> DecodeImageConfig(std::string_view json);

std::string EncodeManifest(const Manifest& manifest);
std::string EncodeIndex(const Index& index);
std::string EncodeImageConfig(const ImageConfig& config);

// The media type a manifest or index states, or the one its fields tell.
Result<std::string> DetectMediaType(std::string_view json);

// The entry for `platform`; an entry without a platform fits any. kNotFound: lists what there is.
Result<Descriptor> SelectPlatform(const Index& index, const Platform& platform);

// Chain IDs as containerd names snapshots: one for each diff ID, bottom first.
std::vector<Digest> ChainIds(const std::vector<Digest>& diff_ids);

}  // namespace locket::image
