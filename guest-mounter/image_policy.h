// Decides whether an image may run in this guest, from the tenant's initdata and the bytes of the
// manifest and config. Nothing that the host says about them counts.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/sealed/sealed_image.h"
#include "initdata/initdata.h"

namespace locket::guest_mounter {

// What the manifest says about one layer.
struct AcceptedLayer {
  image::Digest digest;         // of the blob
  uint64_t blob_size;           // in bytes: of the disk, too
  image::SealedLayerInfo info;  // root hash, salt, key packet
};

struct AcceptedImage {
  image::Digest manifest_digest;  // of the bytes that were looked at
  image::ImageConfig config;
  std::vector<AcceptedLayer> layers;  // bottom first
  // Whether the digest of manifest and config is pinned. If not, the image was accepted because key
  // packets authenticate every layer, once they are opened: command, environment and layer order
  // are then the host's word.
  bool pinned;
};

// Returns what the manifest and config say, if the image may run: its manifest's digest is among
// `policy`'s allowed_digests, or allow_keyed is set and each of its layers has a key packet. Such a
// packet vouches for its layer only once it is unwrapped, which is the caller's part.
// kPermissionDenied: the policy does not let it run. Without allow_keyed that is the answer for
// every digest that is not pinned, before a byte is decoded. kDataLoss: the config is not the
// manifest's. kInvalidArgument: it is not a sound sealed image, or is larger than documents may be.
Result<AcceptedImage> CheckImage(const initdata::GuestPolicy& policy, std::string_view manifest,
                                 std::string_view config);

}  // namespace locket::guest_mounter
