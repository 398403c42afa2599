// May this image run here? Decided from the tenant's initdata and the manifest's own bytes; the
// host's word counts for nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/sealed/sealed_image.h"
#include "initdata/initdata.h"

namespace locket::guest_mounter {

struct AcceptedLayer {
  image::Digest digest;
  uint64_t blob_size;
  image::SealedLayerInfo info;
};

struct AcceptedImage {
  image::Digest manifest_digest;
  image::ImageConfig config;
  std::vector<AcceptedLayer> layers;  // bottom first
  // Whether the digest of manifest and config is pinned. If not, the image was accepted because key
  // packets authenticate every layer, once they are opened: command, environment and layer order
  // are then the host's word.
  bool pinned;
};

// kPermissionDenied: the policy does not let it run. Without allow_keyed that is said of any digest
// that is not pinned before a byte is decoded. kDataLoss: the config is not the manifest's.
// kInvalidArgument: not a sound sealed image.
Result<AcceptedImage> CheckImage(const initdata::GuestPolicy& policy, std::string_view manifest,
                                 std::string_view config);

}  // namespace locket::guest_mounter
