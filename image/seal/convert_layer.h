// Seals one layer of a public image in such a way that everybody who has the same tar gets the same
// bytes (docs/decisions/0013-host-conversion.md).
#pragma once

#include <filesystem>

#include "base/result.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/converted_layer.h"

namespace locket::image {

// Reads the tar from `source` and seals it to the file `path`, never encrypted and never
// compressed, whatever `options` say. Returns the record of the result.
//
// kDataLoss: the digest of the tar is not `diff_id`. Other errors are those of SealLayer. After any
// failure there is no file that was not there before.
Result<ConvertedLayer> ConvertLayer(SealLayerOptions options, const TarSource& source,
                                    const Digest& diff_id, const std::filesystem::path& path);

}  // namespace locket::image
