// The plain payload of a key packet, a JSON text with the key in it. It is read and written without
// a JSON library, which would leave copies of the key in memory that is not wiped.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "image/sealed/key_packet.h"

namespace locket::image {

Secret EncodeLayerKeyPayload(const LayerKey& key);

// kInvalidArgument: the message says which field is wrong, and never holds its content.
Result<LayerKey> DecodeLayerKeyPayload(const Secret& payload);

}  // namespace locket::image
