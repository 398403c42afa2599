// Media types of manifests, configs and layers, and what follows from them.
#pragma once

#include <string_view>

namespace locket::image {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayerTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerTar = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
// BuildKit's, since 0.10.
inline constexpr std::string_view kDockerLayerZstd =
    "application/vnd.docker.image.rootfs.diff.tar.zstd";
inline constexpr std::string_view kDockerForeignGzip =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
// The config of an artifact that needs none: `{}`.
inline constexpr std::string_view kEmptyConfig = "application/vnd.oci.empty.v1+json";

// Ours (docs/formats/sealed-layer.md).
inline constexpr std::string_view kSealedLayer = "application/vnd.oci.image.layer.v1.locket.erofs";
inline constexpr std::string_view kSealedLayerEncrypted =
    "application/vnd.oci.image.layer.v1.locket.erofs+encrypted";

bool IsManifest(std::string_view media_type);  // one image, OCI or Docker v2 schema 2
bool IsIndex(std::string_view media_type);     // several
// The config of an image, also under the names that old registries give it. False: an artifact's.
bool IsConfig(std::string_view media_type);
bool IsSealedLayer(std::string_view media_type);  // either of ours
// Ours or ocicrypt's: anything that ends in "+encrypted".
bool IsEncrypted(std::string_view media_type);
// A tar that can be read as it is: plain, gzip or zstd; OCI or Docker; not encrypted, not foreign.
bool IsTarLayer(std::string_view media_type);
// A foreign layer, which a registry must not give away: its bytes are at the descriptor's `urls`.
bool IsNotDistributable(std::string_view media_type);

}  // namespace locket::image
