// What the snapshotter remembers of one snapshot, as plain values. The terms (key, name, parent,
// chain, ref, sealed) are explained in snapshots/snapshots.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace locket::snapshotter {

using Labels = std::map<std::string, std::string>;

// Its value is a chain ID, under which containerd looks for a layer that a snapshotter has
// prepared.
inline constexpr std::string_view kSnapshotRefLabel = "containerd.io/snapshot.ref";

// Labels that containerd adds to each Prepare of a pull (its pkg/snapshotters/annotations).
inline constexpr std::string_view kImageRefLabel = "containerd.io/snapshot/cri.image-ref";
inline constexpr std::string_view kManifestDigestLabel =
    "containerd.io/snapshot/cri.manifest-digest";
inline constexpr std::string_view kLayerDigestLabel = "containerd.io/snapshot/cri.layer-digest";

// Numbers as containerd's snapshots API gives them to its kinds.
enum class Kind : uint8_t { kView = 1, kActive = 2, kCommitted = 3 };

struct Usage {
  uint64_t size_bytes = 0;  // allocated on disk
  uint64_t inodes = 0;
  bool operator==(const Usage&) const = default;
};

// A sealed image. Its manifest and config are kept as blobs while a snapshot's record names it.
struct ImageSource {
  std::string reference;        // where a registry has it
  std::string manifest_digest;  // "sha256:<hex>", as the next one
  std::string config_digest;
  bool operator==(const ImageSource&) const = default;
};

// One sealed layer as its manifest describes it.
struct SealedBlob {
  std::string digest;
  uint64_t size_bytes;
  std::string media_type;  // says how the layer is sealed (docs/formats/image.md)
  bool operator==(const SealedBlob&) const = default;
};

// One record. It is written when the snapshot's directories are there, and erased before they go,
// so a snapshot exists if and only if it has a record (docs/decisions/0007).
struct Snapshot {
  uint64_t id;  // never used twice; names the directory
  Kind kind;
  std::string name;
  std::string parent{};  // the name of a committed snapshot, or empty
  int64_t created_ns;    // since 1970
  int64_t updated_ns;
  Labels labels{};
  std::optional<Usage> usage{};  // measured once, when committed content is first asked about
  // Set on every snapshot of a sealed chain. Of a layer, the image that it was pulled as a part of:
  // any of those that have it. Of a container, that of its topmost layer until `image_known`.
  std::optional<ImageSource> image{};
  std::optional<SealedBlob> layer{};  // set on committed snapshots of a sealed chain
  bool image_known = false;           // `image` is the one that the container was created of
  bool operator==(const Snapshot&) const = default;

  bool sealed() const { return image.has_value(); }
};

// A record in memory never changes: a new one takes its place. So it is taken under a lock and read
// without one.
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// One mount(2) in containerd's words.
struct Mount {
  std::string type;
  std::string source;
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

}  // namespace locket::snapshotter
