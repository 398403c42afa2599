#include "image/seal/convert_layer.h"

#include <unistd.h>

#include <utility>

namespace locket::image {

Result<ConvertedLayer> ConvertLayer(SealLayerOptions options, const TarSource& source,
                                    const Digest& diff_id, const std::filesystem::path& path) {
  options.encrypt = false;
  options.compress = false;
  LOCKET_TRY_ASSIGN(SealedLayer sealed, SealLayer(options, source, path));
  if (sealed.diff_id != diff_id.ToText()) {
    ::unlink(path.c_str());
    return Error(ErrorCode::kDataLoss,
                 "its tar is " + sealed.diff_id + ", not the config's " + diff_id.ToText());
  }
  LOCKET_TRY_ASSIGN(const Digest blob_digest, Digest::FromText(sealed.blob_digest));
  return ConvertedLayer{.diff_id = diff_id,
                        .blob_digest = blob_digest,
                        .identity = {.root_hash = sealed.root_hash,
                                     .salt = sealed.salt,
                                     .data_size = sealed.data_size},
                        .accounts = std::move(sealed.accounts)};
}

}  // namespace locket::image
