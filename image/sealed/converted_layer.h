// The record of an ordinary layer that a host sealed verify-only, which saves it from sealing the
// layer again (docs/formats/converted-layer.md).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/oci/accounts.h"
#include "image/oci/manifest.h"
#include "verity/verify_layer.h"

namespace locket::image {

// Two /etc files in base64, each of at most 4 MiB, and little else.
inline constexpr size_t kMaxConvertedLayerBytes = 12U << 20;

struct ConvertedLayer {
  Digest diff_id;  // of the ordinary layer
  Digest blob_digest;
  verity::LayerIdentity identity;
  // Set if the layer is another one than sealed alone, because of directories below it: the chain
  // ID of the layers below, or of the bottom layer the digest of nothing.
  std::optional<Digest> over{};
  LayerAccounts accounts{};  // which a named USER is resolved with, together with other layers'

  bool operator==(const ConvertedLayer&) const = default;
};

// Returns the name of a record: the diff ID if the layer does not depend on the layers below, else
// a digest of the diff ID and `over`.
Digest RecordKey(const Digest& diff_id, const std::optional<Digest>& over);

// Returns the layer's descriptor in the manifest of the sealed image. kInvalidArgument: no layer
// can have that data size.
Result<Descriptor> DescriptorOf(const ConvertedLayer& layer);

std::string EncodeConvertedLayer(const ConvertedLayer& layer);
// kInvalidArgument: not such a record, or one of another version of the format.
Result<ConvertedLayer> DecodeConvertedLayer(std::string_view text);

}  // namespace locket::image
