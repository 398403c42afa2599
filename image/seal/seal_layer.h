// One layer's tar in, one sealed blob out (docs/formats/sealed-layer.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "erofs/lower_directories.h"
#include "image/oci/accounts.h"
#include "image/sealed/convergent_key.h"
#include "verity/verify_layer.h"

namespace locket::image {

// Fills a part of the buffer and says how many bytes; 0 is the end. Never called after an error.
using TarSource = std::function<Result<size_t>(std::span<std::byte>)>;

struct SealLayerOptions {
  bool encrypt = false;
  // Encrypted layers: this key and salt instead of fresh random ones. Outlives the call.
  const ConvergentKey* given_key = nullptr;
  // By LZ4, file by file, before encryption: what is encrypted cannot be compressed in transit.
  bool compress = false;
  bool durable = true;  // false: for a file that need not survive a power cut
  uint64_t max_data_size = verity::kMaxDataSize;
  // A layer may unpack to this much whatever its size, beyond it to 1000 times its size.
  uint64_t unsuspicious_bytes = uint64_t{16} << 30;
  std::function<void(uint64_t input_bytes)> on_progress{};  // bytes taken from the source so far
  // The directories of the layers below, which this layer's are added to. Null: they are not known,
  // and a directory that the tar does not name gets mode 0755, owner 0:0 and time 0. Outlives the
  // call; after an error it is of no use.
  erofs::LowerDirectories* lower = nullptr;
  bool is_top = false;  // nothing comes on top of this layer, so `lower` need not know of it
};

struct SealedLayer {
  std::string blob_digest;  // "sha256:<hex>"
  uint64_t blob_size;
  uint64_t data_size;
  verity::Sha256Digest root_hash;
  verity::Salt salt;
  std::string diff_id;        // of the uncompressed tar, "sha256:<hex>"
  std::optional<Secret> key;  // encrypted layers only: 64 bytes
  uint64_t ignored_xattrs;    // names Linux does not have, and overlayfs's own; left out
  LayerAccounts accounts;     // read from the file system that was written
};

// Reads `source` (tar, plain or in gzip or zstd) to its end and writes the blob to `path`, mode
// 0644, replacing what was there only once all is written and (if durable) synced. `source` and the
// options' functions are called by the calling thread; two more work beside it. Plain data of an
// encrypted layer stays in memory and in an unlinked file beside `path`. On failure nothing is left
// behind and `path` is as it was.
Result<SealedLayer> SealLayer(const SealLayerOptions& options, const TarSource& source,
                              const std::filesystem::path& path);

// The EROFS image of the blob open at `fd`, checked against `identity` and decrypted with `key` (if
// the layer is encrypted), to `out_fd`. kDataLoss: names the first bad block; what was written
// until then is good but incomplete.
Status ExtractLayer(int fd, const verity::LayerIdentity& identity, const Secret* key, int out_fd);

}  // namespace locket::image
