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

// Writes the next bytes of the layer's tar into the buffer and returns how many. Returns 0 at the
// end of the tar. Not called again after the end or after an error.
using TarSource = std::function<Result<size_t>(std::span<std::byte>)>;

struct SealLayerOptions {
  bool encrypt = false;
  // For encrypted layers: the key and the salt to use, in place of new random ones. Outlives the
  // call.
  const ConvergentKey* given_key = nullptr;
  // Compress each file with LZ4 before encryption, as encrypted bytes cannot be compressed on their
  // way.
  bool compress = false;
  bool durable = true;  // false: for a file that need not survive a power cut
  uint64_t max_data_size = verity::kMaxDataSize;
  // A layer that unpacks to more than this and to more than 1000 times its size is refused as a
  // decompression bomb.
  uint64_t unsuspicious_bytes = uint64_t{16} << 30;
  std::function<void(uint64_t input_bytes)> on_progress{};  // bytes taken from the source so far
  // The directories of the layers below; this layer's directories are added to it. It gives a
  // directory that this tar only implies the attributes that it has below. If null, such a
  // directory gets mode 0755, owner 0:0 and time 0. Outlives the call; after an error it must not
  // be used.
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
  uint64_t ignored_xattrs;    // left out: names unknown to Linux, and those that overlayfs uses
  LayerAccounts accounts;     // read from the file system that was written
};

// Reads a layer's tar (plain, gzip or zstd) from `source` to its end, and writes the sealed blob to
// the file `path` with mode 0644. The file takes its name, and the place of a file that was there,
// only when it is complete and (if `durable`) on disk. Returns what the layer's descriptor needs,
// and the key if the layer is encrypted.
//
// Threads: `source` and the functions of `options` are called by the calling thread; two more
// threads work until it returns. Memory is bounded whatever the size of the layer. The plain file
// system of an encrypted layer is in a file without a name beside `path` meanwhile.
//
// kInvalidArgument: not a tar, or one that cannot become a file system; the message names the
// entry. kResourceExhausted: larger than `options` allow. kDataLoss: the compressed stream is
// damaged. An error of `source` is returned as it is. After any failure `path` is as it was and
// nothing else is left.
Result<SealedLayer> SealLayer(const SealLayerOptions& options, const TarSource& source,
                              const std::filesystem::path& path);

// The reverse: checks the blob open at `fd` against `identity` block by block, decrypts it with
// `key` (null if the layer is not encrypted), and writes its EROFS image to `out_fd`.
//
// kDataLoss: a block does not match; the message has its number. What was written until then was
// checked, but is incomplete.
Status ExtractLayer(int fd, const verity::LayerIdentity& identity, const Secret* key, int out_fd);

}  // namespace locket::image
