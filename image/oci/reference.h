// What an operator calls an image: a name in a registry, or a place on disk.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/oci/digest.h"

namespace locket::image {

// A registry reference in full: "alpine" is docker.io/library/alpine:latest, as for Docker and
// containerd.
struct Reference {
  std::string registry;            // "docker.io", "127.0.0.1:5000", "[::1]:5000"
  std::string repository;          // "library/alpine"
  std::string tag{};               // empty only if there is a digest
  std::optional<Digest> digest{};  // wins over the tag when both are given

  // "registry/repository[:tag][@digest]"; parses back to the same.
  std::string ToText() const;
  // "registry/repository".
  std::string Name() const { return registry + "/" + repository; }
  // What the registry is asked for: the digest if there is one, else the tag.
  std::string Target() const { return digest ? digest->ToText() : tag; }

  bool operator==(const Reference&) const = default;
};

// kInvalidArgument: not a reference, with the reason.
Result<Reference> ParseReference(std::string_view text);

// kStream: an archive of either kind on standard input or output.
enum class Transport { kRegistry, kOciLayout, kOciArchive, kDockerArchive, kStream };

struct ImageLocation {
  Transport transport;
  std::optional<Reference> reference{};  // kRegistry only
  std::filesystem::path path{};          // the others
  std::string tag{};                     // the others; empty: the only image there

  std::string ToText() const;
  bool operator==(const ImageLocation&) const = default;
};

// "oci:PATH[:TAG]", "oci-archive:PATH[:TAG]", "docker-archive:PATH[:NAME[:TAG]]", "-", else a
// registry reference, with or without "docker://". A path cannot hold a colon.
Result<ImageLocation> ParseImageLocation(std::string_view text);

}  // namespace locket::image
