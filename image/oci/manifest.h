// The OCI image model (image-spec v1): descriptors, manifests, indexes and configs as values, and
// their JSON.
//
// Decoders read documents from strangers. Sizes, counts and depth are bounded, and an object that
// names a member twice is refused (base/json.h). A member that is null counts as absent. Members
// that these structs have no field for are kept in `extra`, a JSON object as text, so a document
// that is decoded, changed and encoded loses nothing. Encoders are deterministic: members in the
// order of their names, no white space, empty fields left out. The digest of a document is that of
// the bytes it came in; encoding it again may give other bytes.
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

// Names some content, by digest and size, from within another document.
struct Descriptor {
  std::string media_type;  // empty: it states none
  Digest digest;
  uint64_t size;
  std::map<std::string, std::string> annotations{};
  std::optional<Platform> platform{};  // of an entry of an index
  std::string extra = "{}";

  bool operator==(const Descriptor&) const = default;
};

// Returns the descriptor of `bytes`: their digest, their size and `media_type`.
Descriptor DescriptorOf(std::string_view media_type, std::string_view bytes);

// Makes `entry` name the content that `target` names. Its annotations and its platform stay.
// Members about the former content are removed: `data`, a copy of it, and `urls`, places to fetch
// it from.
void Retarget(Descriptor& entry, const Descriptor& target);

// One image: a config and its layers.
struct Manifest {
  std::string media_type;  // kOciManifest or kDockerManifest
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
  std::string artifact_type{};     // empty: none is stated
  std::map<std::string, std::string> annotations{};
  std::string extra = "{}";

  bool operator==(const Manifest&) const = default;
};

// An entry of an index that this program cannot read, for example because its digest is not
// SHA-256. It does not affect the other entries
// (docs/decisions/0027-documents-as-the-ecosystem-reads-them.md). An operation that needs this
// entry fails with `why`.
struct UnreadEntry {
  size_t preceding;  // how many of Index::manifests precede it
  std::string why;
  std::map<std::string, std::string> annotations{};  // as far as they could be read
  std::string json;                                  // the entry as it was

  bool operator==(const UnreadEntry&) const = default;
};

// Several images, or indexes of images, under one name.
struct Index {
  std::string media_type;  // kOciIndex or kDockerIndex
  std::vector<Descriptor> manifests;
  std::vector<UnreadEntry> unread{};  // in their order
  std::map<std::string, std::string> annotations{};
  std::string extra = "{}";

  bool operator==(const Index&) const = default;
};

// The config of an image: its platform, its layers, and how its containers start.
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
  // Members without a field above: at the top, in "config" and in "rootfs".
  std::string extra = "{}";
  std::string config_extra = "{}";
  std::string rootfs_extra = "{}";

  Platform platform() const { return {.architecture = architecture, .os = os, .variant = variant}; }
  bool operator==(const ImageConfig&) const = default;
};

// Decode a document of that kind. kInvalidArgument: it is not one, and the message says why;
// Docker's schema 1 and other versions are refused. DecodeIndex reads a document that states no
// kind and has no list of entries as an empty index.
Result<Manifest> DecodeManifest(std::string_view json);
Result<Index> DecodeIndex(std::string_view json);
Result<ImageConfig> DecodeImageConfig(std::string_view json);

std::string EncodeManifest(const Manifest& manifest);
std::string EncodeIndex(const Index& index);
std::string EncodeImageConfig(const ImageConfig& config);

// Returns the media type that a manifest or index states, or, if it states none, the one that its
// members fit. kInvalidArgument: neither a manifest nor an index.
Result<std::string> DetectMediaType(std::string_view json);

// Returns a chain ID for each diff ID, bottom first: the digest by which containerd names the
// snapshot of that layer on top of those below it (image-spec, config.md, "Layer ChainID").
std::vector<Digest> ChainIds(const std::vector<Digest>& diff_ids);

}  // namespace locket::image
