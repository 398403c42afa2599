// One layer of a public image, sealed so that whoever has the same tar arrives at the same bytes.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/converted_layer.h"

namespace locket::image {

// Reads the tar whose digest is `diff_id` and seals it to `path`: not encrypted, not compressed,
// whatever `options` say of that. As SealLayer, and kDataLoss: it is another tar; nothing is left.
Result<ConvertedLayer> ConvertLayer(SealLayerOptions options, const TarSource& source,
                                    const Digest& diff_id, const std::filesystem::path& path);

}  // namespace locket::image
