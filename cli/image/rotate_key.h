// Layer keys under another key encryption key; the layers stay as they are.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "image/oci/image_source.h"
#include "image/sealed/key_packet.h"

namespace locket::cli {

struct RotateOptions {
  const Secret& old_kek;
  const Secret& new_kek;
  image::ResourceId key_id;                       // where the broker keeps the new one
  std::optional<image::ResourceId> only_under{};  // packets under other keys stay
};

// The manifest's text with every key packet opened and wrapped anew, for CopyImageOptions::rewrite.
// kFailedPrecondition: not a sealed image, or nothing in it to wrap. kDataLoss, kPermissionDenied:
// a packet that the old key does not open, naming the layer.
Result<std::string> RotateManifest(const image::ManifestContent& manifest,
                                   const RotateOptions& options);

// `annotation` for a layer key that came from elsewhere.
Result<std::string> WrapKey(const Secret& kek, const image::ResourceId& key_id,
                            const image::LayerKey& key);

}  // namespace locket::cli
