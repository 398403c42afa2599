// The OCI image model (image-spec v1). Decoders take what a registry says: sizes, counts and depth
// are bounded, a name that stands twice in one object is refused, and what we have no field for is
// kept in `extra` (a JSON object as text), so that a rewritten document loses nothing. A member
// that is null is as good as absent. Encoders are deterministic: keys sorted, no white space, empty
// fields left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/digest.h"
#include "image/oci/platform.h"

namespace locket::image {

inline constexpr size_t kMaxManifestBytes = 4U << 20;  // also indexes
inline constexpr size_t kMaxConfigBytes = 4U << 20;
inline constexpr size_t kMaxLayers = 1024;  // to bound a decoder; a guest runs fewer

struct Descriptor {
  std::string media_type;  // empty: it states none
  Digest digest;
  uint64_t size;
  std::map<std::string, std::string> annotations{};
  std::optional<Platform> platform{};
  std::string extra = "{}";

  bool operator==(const Descriptor&) const = default;
};

// A descriptor of these very bytes.
Descriptor DescriptorOf(std::string_view media_type, std::string_view bytes);

// Makes `entry` point at what `target` describes. Annotations and platform stay. What spoke of the
// content before goes: its copy in `data`, and the `urls` it could be fetched from.
void Retarget(Descriptor& entry, const Descriptor& target);

struct Manifest {
  std::string media_type;  // kOciManifest or kDockerManifest
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
  std::string artifact_type{};     // empty: none is stated
  std::map<std::string, std::string> annotations{};
  std::string extra = "{}";

  bool operator==(const Manifest&) const = default;
};

// An entry of an index that cannot be read here: a digest that is not SHA-256, a field of another
// type. It harms no other entry; who needs it fails with `why`.
struct UnreadEntry {
  size_t preceding;  // how many of Index::manifests precede it
  std::string why;
  std::map<std::string, std::string> annotations{};  // as far as they could be read
  std::string json;                                  // the entry as it was

  bool operator==(const UnreadEntry&) const = default;
};

struct Index {
  std::string media_type;  // kOciIndex or kDockerIndex
  std::vector<Descriptor> manifests;
  std::vector<UnreadEntry> unread{};  // in their order
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

  Platform platform() const { return {.architecture = architecture, .os = os, .variant = variant}; }
  bool operator==(const ImageConfig&) const = default;
};

// kInvalidArgument: not such a document, and why. Docker schema 1 and other versions are refused.
// DecodeIndex takes a document that states no kind and has no list at all as an empty index.
Result<Manifest> DecodeManifest(std::string_view json);
Result<Index> DecodeIndex(std::string_view json);
Result<ImageConfig> DecodeImageConfig(std::string_view json);

std::string EncodeManifest(const Manifest& manifest);
std::string EncodeIndex(const Index& index);
std::string EncodeImageConfig(const ImageConfig& config);

// The media type a manifest or index states, or the one its fields tell.
Result<std::string> DetectMediaType(std::string_view json);

// Chain IDs as containerd names snapshots: one for each diff ID, bottom first.
std::vector<Digest> ChainIds(const std::vector<Digest>& diff_ids);

}  // namespace locket::image
