// The plain payload of a key packet. Read and written by hand: a JSON library would leave copies of
// the key in memory that nobody wipes.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "image/sealed/key_packet.h"

namespace locket::image {

Secret EncodeLayerKeyPayload(const LayerKey& key);

// kInvalidArgument: says which field is wrong, never what stands in it.
Result<LayerKey> DecodeLayerKeyPayload(const Secret& payload);

}  // namespace locket::image
