// Layer keys, wrapped by a key that the broker keeps (docs/formats/key-packet.md).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/resource_name.h"
#include "base/result.h"
#include "base/secret.h"
#include "verity/verify_layer.h"

namespace locket::image {

inline constexpr size_t kKekBytes = 32;
inline constexpr size_t kLayerKeyBytes = 64;
inline constexpr size_t kMaxKeyPacketBytes = 16U << 10;  // of the annotation

struct KeyPacket {
  ResourceName kid;
  std::array<std::byte, 12> iv;
  std::vector<std::byte> wrapped_data;  // ciphertext and 16-byte tag

  bool operator==(const KeyPacket&) const = default;
};

// From and to the annotation's value. kInvalidArgument: malformed, too large, or of another
// version, provider or wrap type.
Result<KeyPacket> DecodeKeyPacket(std::string_view annotation);
std::string EncodeKeyPacket(const KeyPacket& packet);

struct LayerKey {
  Secret key;                      // kLayerKeyBytes
  verity::LayerIdentity identity;  // the one layer it opens
};

// Wraps under `kek` (kKekBytes) with a fresh random nonce.
Result<KeyPacket> WrapLayerKey(const Secret& kek, const ResourceName& kid, const LayerKey& key);

// kDataLoss: the tag does not fit (other key, or changed). kInvalidArgument: the payload is not one
// of ours. Never says anything of the payload's content.
Result<LayerKey> UnwrapLayerKey(const Secret& kek, const KeyPacket& packet);

// As UnwrapLayerKey, for this layer only. kPermissionDenied: the packet belongs to another layer.
Result<Secret> UnwrapLayerKeyFor(const Secret& kek, const KeyPacket& packet,
                                 const verity::LayerIdentity& layer);

}  // namespace locket::image
