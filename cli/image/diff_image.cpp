#include "cli/image/diff_image.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/encoding.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

struct Side {
  image::ImageSource& source;
  ImageDocuments image;

  size_t size() const { return image.manifest.layers.size(); }
  // What is known without fetching anything.
  std::optional<verity::LayerIdentity> Stated(size_t layer) const {
    const auto info = image::ParseSealedLayerInfo(image.manifest.layers[layer]);
    if (!info.ok()) return std::nullopt;
    return info->identity;
  }
  bool Encrypted(size_t layer) const {
    const auto info = image::ParseSealedLayerInfo(image.manifest.layers[layer]);
    return info.ok() && info->encrypted();
  }
};

Result<Side> Read(image::ImageSource& source) {
  LOCKET_TRY_ASSIGN(ImageDocuments image, ReadDocuments(source));
  if (image::ClaimsToBeSealed(image.manifest)) {
    LOCKET_TRY(image::CheckSealedImage(image.manifest, image.config));
  } else if (image.manifest.layers.size() != image.config.diff_ids.size()) {
    return Error(ErrorCode::kInvalidArgument, "manifest and config differ in the number of layers");
  }
  return Side{.source = source, .image = std::move(image)};
}

bool KnownToBeSame(const Side& a, const Side& b, size_t layer) {
  const auto in_a = a.Stated(layer);
  const auto in_b = b.Stated(layer);
  const auto& layers = a.image.manifest.layers;
  if (in_a && layers[layer].digest == b.image.manifest.layers[layer].digest) return true;
  if (in_a && in_b) return in_a->root_hash == in_b->root_hash;
  // What an ordinary layer becomes may depend on those below it.
  const auto ids_of = [&](const Side& side) {
    return std::span(side.image.config.diff_ids).first(layer + 1);
  };
  return !in_a && !in_b && std::ranges::equal(ids_of(a), ids_of(b));
}

std::string WhyOf(const LayerComparison& compared, bool encrypted) {
  if (!compared.differences.empty()) return "the file systems differ";
  if (encrypted)
    return "the same files, but root hashes cover what is stored: the keys differ, or only one of "
           "the two is encrypted";
  return "the same files in the same places: the tars differ in what no file shows, such as "
         "padding, names of users or the form of headers, and so diff ID, salt and UUID differ";
}

class Comparer {
 public:
  Comparer(const Side& a, const Side& b, const DiffImageOptions& options, Progress& progress)
      : a_(a),
        b_(b),
        layers_a_(a.source, a.image, options.layers, progress),
        layers_b_(b.source, b.image, options.layers, progress),
        options_(options) {}

  Result<LayerComparison> Compare(size_t layer) {
    if (layer >= a_.size()) return OnlyIn(b_, layer, "A");
    if (layer >= b_.size()) return OnlyIn(a_, layer, "B");
    LayerComparison compared;
    if (KnownToBeSame(a_, b_, layer)) {
      const auto stated = a_.Stated(layer);
      if (stated) compared.root_hash_a = HexEncode(stated->root_hash);
      compared.root_hash_b = compared.root_hash_a;
      return compared;
    }
    LOCKET_TRY_ASSIGN(const auto image_a, layers_a_.Open(layer).While("A"));
    LOCKET_TRY_ASSIGN(const auto image_b, layers_b_.Open(layer).While("B"));
    compared.root_hash_a = HexEncode(image_a.identity.root_hash);
    compared.root_hash_b = HexEncode(image_b.identity.root_hash);
    if (compared.same()) return compared;
    LOCKET_TRY_ASSIGN(const auto reader_a, image_a.Reader().While("A"));
    LOCKET_TRY_ASSIGN(const auto reader_b, image_b.Reader().While("B"));
    const auto keep = [&](const LayerDifference& difference) {
      if (compared.differences.size() < options_.max_differences) {
        compared.differences.push_back(difference);
      } else {
        ++compared.not_kept;
      }
      return Ok();
    };
    LOCKET_TRY(DiffLayers(reader_a, reader_b, keep, options_.layers.stop));
    compared.why = WhyOf(compared, a_.Encrypted(layer) || b_.Encrypted(layer));
    return compared;
  }

 private:
  static LayerComparison OnlyIn(const Side& side, size_t layer, const std::string& missing) {
    const auto stated = side.Stated(layer);
    const std::string hash = stated ? HexEncode(stated->root_hash) : "not computed";
    LayerComparison compared{.why = missing + " has no such layer"};
    (missing == "A" ? compared.root_hash_b : compared.root_hash_a) = hash;
    return compared;
  }

  const Side& a_;
  const Side& b_;
  LayerStack layers_a_;
  LayerStack layers_b_;
  const DiffImageOptions& options_;
};

}  // namespace

bool ImageComparison::same() const {
  return std::ranges::all_of(layers, [](const auto& layer) { return layer.same(); });
}

Result<ImageComparison> DiffImages(image::ImageSource& a, image::ImageSource& b,
                                   const DiffImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const Side side_a, Read(a).While("A"));
  LOCKET_TRY_ASSIGN(const Side side_b, Read(b).While("B"));
  Comparer comparer(side_a, side_b, options, progress);
  ImageComparison comparison;
  for (size_t i = 0; i < std::max(side_a.size(), side_b.size()); ++i) {
    auto compared = comparer.Compare(i);
    progress.Clear();
    LOCKET_TRY_ASSIGN(auto layer, std::move(compared).While("compare layer " + std::to_string(i)));
    comparison.layers.push_back(std::move(layer));
  }
  return comparison;
}

}  // namespace locket::cli
