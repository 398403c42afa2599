// Puts layer keys under another key encryption key. The layers stay as they are: only the key
// packets in the manifest change (docs/formats/key-packet.md).
#pragma once

#include <optional>
#include <string>

#include "base/resource_name.h"
#include "base/result.h"
#include "base/secret.h"
#include "image/oci/image_source.h"
#include "image/sealed/key_packet.h"

namespace locket::cli {

struct RotateOptions {
  const Secret& old_kek;
  const Secret& new_kek;
  ResourceName key_id;                       // resource under which the broker has new_kek
  std::optional<ResourceName> only_under{};  // if set, packets under other keys stay
};

// Returns the manifest's text with every key packet opened with the old key and made with the new
// one. For CopyImageOptions::rewrite. kFailedPrecondition: the image is not sealed, or no layer is
// encrypted under the key. kDataLoss, kPermissionDenied: the old key does not open a packet; the
// message names the layer.
Result<std::string> RotateManifest(const image::ManifestContent& manifest,
                                   const RotateOptions& options);

// Returns the value of the annotation kKeyPacketAnnotation for a layer that another tool sealed.
Result<std::string> WrapKey(const Secret& kek, const ResourceName& key_id,
                            const image::LayerKey& key);

}  // namespace locket::cli
