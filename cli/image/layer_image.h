// Opens a layer of an image: the plain EROFS image in it, as a file without a name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "base/unique_fd.h"
#include "cli/image/seal_image.h"
#include "cli/progress.h"
#include "erofs/image_reader.h"
#include "erofs/lower_directories.h"
#include "image/oci/image_source.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {

struct LayerImageOptions {
  const Secret* kek = nullptr;  // key encryption key, for encrypted layers
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
  // The directories of the layers below, which an ordinary layer needs to be laid out as sealing
  // would lay it out. Its own are added. Null: the layers below are not known. LayerStack sets it.
  erofs::LowerDirectories* lower = nullptr;
};

// The file system in one layer. A sealed layer is checked and decrypted. An ordinary one is laid
// out as sealing it would lay it out.
struct LayerImage {
  UniqueFd fd;  // a file without a name in the temporary directory
  verity::LayerIdentity identity;

  // Returns a reader of the file system, which must not outlive this.
  Result<erofs::ImageReader> Reader() const;
};

// Downloads and opens a layer of `image`, which `source` gave; `layer` counts from 0 at the bottom.
// kFailedPrecondition: the layer is encrypted and there is no key. kPermissionDenied: the key does
// not open it. kDataLoss: something is not as the manifest says. kInvalidArgument: neither a sealed
// layer nor a tar. kCancelled: `options.stop` was requested. The error names the layer.
Result<LayerImage> OpenLayerImage(image::ImageSource& source, const ImageDocuments& image,
                                  size_t layer, const LayerImageOptions& options,
                                  Progress& progress);

// Opens layers of one image from the bottom up, each with the directories of those below it. For an
// ordinary layer it downloads the layers below that were skipped. What the constructor is given
// outlives it.
class LayerStack {
 public:
  LayerStack(image::ImageSource& source, const ImageDocuments& image,
             const LayerImageOptions& options, Progress& progress)
      : source_(source), image_(image), options_(options), progress_(progress) {}

  // As OpenLayerImage. `layer` must be above all that were opened before.
  Result<LayerImage> Open(size_t layer);

 private:
  image::ImageSource& source_;
  const ImageDocuments& image_;
  const LayerImageOptions& options_;
  Progress& progress_;
  erofs::LowerDirectories lower_{};
  size_t next_ = 0;  // the lowest layer that `lower_` does not know
};

// Returns a layer's name for messages: "layer 3 (sha256:...)".
std::string LayerText(const image::Manifest& manifest, size_t layer);

}  // namespace locket::cli
