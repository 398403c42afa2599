// The plain EROFS image in a layer, as a file without a name.
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
  const Secret* kek = nullptr;  // opens encrypted layers
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
  // Of the layers below, for an ordinary layer, whose directories are added. Null: not known.
  erofs::LowerDirectories* lower = nullptr;
};

// The file system in one layer: of a sealed one checked and decrypted, of an ordinary one as
// sealing it over `lower` would lay it out.
struct LayerImage {
  UniqueFd fd;
  verity::LayerIdentity identity;

  Result<erofs::ImageReader> Reader() const;
};

// kFailedPrecondition: the layer is encrypted and there is no key. kDataLoss: something is not what
// the manifest says. The error names the layer.
Result<LayerImage> OpenLayerImage(image::ImageSource& source, const ImageDocuments& image,
                                  size_t layer, const LayerImageOptions& options,
                                  Progress& progress);

// Opens layers of one image, each as it is over those below it, of which it fetches what it has to.
// Everything outlives it.
class LayerStack {
 public:
  LayerStack(image::ImageSource& source, const ImageDocuments& image,
             const LayerImageOptions& options, Progress& progress)
      : source_(source), image_(image), options_(options), progress_(progress) {}

  // As OpenLayerImage. `layer` is above all that were opened before.
  Result<LayerImage> Open(size_t layer);

 private:
  image::ImageSource& source_;
  const ImageDocuments& image_;
  const LayerImageOptions& options_;
  Progress& progress_;
  erofs::LowerDirectories lower_{};
  size_t next_ = 0;  // the lowest layer that `lower_` does not know
};

// "layer 3 (sha256:...)"
std::string LayerText(const image::Manifest& manifest, size_t layer);

}  // namespace locket::cli
