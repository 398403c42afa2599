#include "snapshotter/snapshots/sealed_pulls.h"

#include "base/log.h"
#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"
#include "snapshotter/snapshots/sealed_layers.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace {

Error Mixed(const std::string& what) {
  return {ErrorCode::kFailedPrecondition,
          what + ": an image has either sealed layers only or none; seal the whole image again"};
}

bool HasSealedParent(const LayerRequest& request) {
  return !request.below.empty() && request.below.front()->sealed();
}

Error NotTheLayer(const std::string& doing, size_t index, const image::Digest& layer_digest) {
  return {ErrorCode::kInvalidArgument,
          doing + ": layer " + std::to_string(index) + " is not " + layer_digest.ToText()};
}

Error NotItsChainId(const std::string& doing, const std::string& chain_id) {
  return {ErrorCode::kInvalidArgument, doing + ": chain ID '" + chain_id + "' is not its layer's"};
}

}  // namespace

struct SealedPulls::Image {
  const CriLabels& cri;
  const std::string& text;  // the manifest's bytes
  const image::Manifest& manifest;

  std::string Doing() const { return "sealed image '" + cri.image_ref + "'"; }
};

bool SealedPulls::Converts(const Labels& labels) const {
  const auto image_ref = labels.find(std::string(kImageRefLabel));
  return converter_ != nullptr && image_ref != labels.end() &&
         converter_->Converts(image_ref->second);
}

Result<std::optional<PulledLayer>> SealedPulls::Pull(const LayerRequest& request) {
  LOCKET_TRY_ASSIGN(const std::optional<CriLabels> cri, ParseCriLabels(request.labels));
  // Without the labels nothing tells which image this is. Create refuses it on sealed parents.
  if (!cri) return std::optional<PulledLayer>();
  LOCKET_TRY_ASSIGN(const std::string text, blobs_.Manifest(cri->image_ref, cri->manifest_digest)
                                                .While("image '" + cri->image_ref + "'"));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text));
  if (image::ClaimsToBeSealed(manifest)) {
    LOCKET_TRY_ASSIGN(PulledLayer pulled,
                      PullSealed(request, {.cri = *cri, .text = text, .manifest = manifest}));
    return std::optional(std::move(pulled));
  }
  if (Converts(request.labels)) {
    const OrdinaryImage ordinary{
        .reference = cri->image_ref, .manifest_digest = cri->manifest_digest, .manifest = manifest};
    auto pulled = PullConverted(request, ordinary, cri->layer_digest);
    if (pulled.ok()) return std::optional(std::move(*pulled));
    converter_->NoteFailure(cri->image_ref, pulled.error());
    return std::move(pulled).error();
  }
  if (!HasSealedParent(request)) return std::optional<PulledLayer>();
  return Mixed("an ordinary layer of '" + cri->image_ref + "' on top of a sealed one");
}

Result<PulledLayer> SealedPulls::PullSealed(const LayerRequest& request, const Image& image) {
  const auto& [cri, text, manifest] = image;
  const size_t index = request.below.size();
  if (!IsBottomOf(request.below, manifest)) {
    return Mixed(image.Doing() + " on top of layers that are not its own");
  }
  if (index >= manifest.layers.size() || manifest.layers[index].digest != cri.layer_digest) {
    return NotTheLayer(image.Doing(), index, cri.layer_digest);
  }
  const image::Descriptor& layer = manifest.layers[index];
  PulledLayer pulled{.image = {.reference = cri.image_ref,
                               .manifest_digest = cri.manifest_digest.ToText(),
                               .config_digest = manifest.config.digest.ToText()},
                     .layer = ToSealedBlob(layer)};
  const std::vector<std::string> needed{pulled.layer.digest, pulled.image.manifest_digest,
                                        pulled.image.config_digest};
  pulled.pins.push_back(std::make_shared<const BlobCache::Pin>(blobs_, needed));
  LOCKET_TRY(CheckConfig(request, image));
  LOCKET_TRY(blobs_.Ensure(cri.image_ref, layer).While(image.Doing()));
  PassFailpoint("layer-fetched");
  LOCKET_TRY(blobs_.Keep(pulled.image.manifest_digest, text).While(image.Doing()));
  PassFailpoint("manifest-kept");
  return pulled;
}

// Fetches the config, which is pinned, and holds it against manifest and chain ID.
Status SealedPulls::CheckConfig(const LayerRequest& request, const Image& image) {
  const image::Descriptor& blob = image.manifest.config;
  if (blob.size > image::kMaxConfigBytes) {
    return Error(ErrorCode::kInvalidArgument, image.Doing() + ": its config is over 4 MiB");
  }
  LOCKET_TRY_ASSIGN(const std::string text,
                    blobs_.EnsureContent(image.cri.image_ref, blob).While(image.Doing()));
  LOCKET_TRY_ASSIGN(const image::ImageConfig config,
                    image::DecodeImageConfig(text).While(image.Doing()));
  if (const auto sound = image::CheckSealedImage(image.manifest, config); !sound.ok()) {
    return Error(sound.error()).While(image.Doing());
  }
  const std::string chain_id = image::ChainIds(config.diff_ids)[request.below.size()].ToText();
  return chain_id == request.chain_id ? Ok() : NotItsChainId(image.Doing(), request.chain_id);
}

Result<PulledLayer> SealedPulls::PullConverted(const LayerRequest& request,
                                               const OrdinaryImage& image,
                                               const image::Digest& layer_digest) {
  const std::string doing = "convert image '" + image.reference + "'";
  const size_t index = request.below.size();
  const auto& layers = image.manifest.layers;
  if (index >= layers.size() || layers[index].digest != layer_digest) {
    return NotTheLayer(doing, index, layer_digest);
  }
  if (index > 0 && !HasSealedParent(request)) {
    return Error(ErrorCode::kFailedPrecondition,
                 doing + ": its lower layers are unpacked on this host already, by an image that " +
                     "was not to be converted, or before any was: remove the images that have " +
                     "them and pull this one again");
  }
  LOCKET_TRY_ASSIGN(const auto converted, converter_->Convert(image, request.gave_up).While(doing));
  if (!IsBottomOf(request.below, converted->manifest)) {
    return Mixed(doing + " on top of layers that are not its own");
  }
  if (converted->chain_ids[index].ToText() != request.chain_id) {
    return NotItsChainId(doing, request.chain_id);
  }
  return PulledLayer{
      .image = {.reference = image.reference,
                .manifest_digest = converted->manifest_digest.ToText(),
                .config_digest = converted->manifest.config.digest.ToText()},
      .layer = ToSealedBlob(converted->manifest.layers[index]),
      .conversion = PulledLayer::Conversion{.reference = image.reference,
                                            .manifest_digest = image.manifest_digest,
                                            .is_topmost = index + 1 == layers.size()},
      .pins = converted->pins};
}

void SealedPulls::Conclude(const PulledLayer& pulled, const Status& recorded) {
  if (!pulled.conversion) return;
  if (!recorded.ok()) {
    converter_->NoteFailure(pulled.conversion->reference, recorded.error());
  } else if (pulled.conversion->is_topmost) {
    converter_->Release(pulled.conversion->manifest_digest);
  }
}

bool SealedPulls::AreBlobsThere(const Snapshot& layer) const {
  return HasDocuments(root_, *layer.image) &&
         blobs_.Has(layer.layer->digest, layer.layer->size_bytes);
}

Status SealedPulls::Refetch(const Labels& labels, const Snapshot& layer) {
  LOCKET_TRY_ASSIGN(const image::Descriptor blob, DescriptorOf(*layer.layer));
  const std::string& first = layer.image->reference;
  const auto image_ref = labels.find(std::string(kImageRefLabel));
  if (image_ref == labels.end()) return blobs_.Ensure(first, blob);
  Status ensured = blobs_.Ensure(image_ref->second, blob);
  if (ensured.ok() || image_ref->second == first) return ensured;
  return blobs_.Ensure(first, blob).ok() ? Ok() : ensured;
}

Status SealedPulls::Restore(const Snapshot& layer, const Converter::GaveUp& gave_up) {
  const std::string doing = "image '" + layer.image->reference + "'";
  log::Warning("fetching again what is gone from the cache", {{"image", layer.image->reference}});
  LOCKET_TRY_ASSIGN(const bool converted, ConvertAgain(layer, gave_up).While(doing));
  return converted ? Ok() : FetchBlobs(layer).While(doing);
}

Status SealedPulls::RestoreBlobs(const Chain& chain, const Converter::GaveUp& gave_up) {
  for (const SnapshotPtr& layer : chain) {
    if (blobs_.Has(layer->layer->digest, layer->layer->size_bytes)) continue;
    LOCKET_TRY(Restore(*layer, gave_up));
  }
  return Ok();
}

// Nothing: it is a sealed one, or the labels do not say which.
Result<std::optional<OrdinaryImage>> SealedPulls::FindOrdinaryImage(const Labels& labels) {
  LOCKET_TRY_ASSIGN(const std::optional<CriLabels> cri, ParseCriLabels(labels));
  if (!cri) return std::optional<OrdinaryImage>();
  LOCKET_TRY_ASSIGN(const std::string text, blobs_.Manifest(cri->image_ref, cri->manifest_digest));
  LOCKET_TRY_ASSIGN(image::Manifest manifest, image::DecodeManifest(text));
  if (image::ClaimsToBeSealed(manifest)) return std::optional<OrdinaryImage>();
  return std::optional(OrdinaryImage{.reference = cri->image_ref,
                                     .manifest_digest = cri->manifest_digest,
                                     .manifest = std::move(manifest)});
}

// False: the image was not converted here.
Result<bool> SealedPulls::ConvertAgain(const Snapshot& layer, const Converter::GaveUp& gave_up) {
  if (converter_ == nullptr) return false;
  LOCKET_TRY_ASSIGN(const auto ordinary, FindOrdinaryImage(layer.labels));
  if (!ordinary) return false;
  LOCKET_TRY_ASSIGN(const auto converted, converter_->Convert(*ordinary, gave_up));
  converter_->Release(ordinary->manifest_digest);
  if (converted->manifest_digest.ToText() == layer.image->manifest_digest) return true;
  return Error(ErrorCode::kFailedPrecondition,
               "converted again it is " + converted->manifest_digest.ToText() + ", not " +
                   layer.image->manifest_digest + ": remove the image and pull it again");
}

Status SealedPulls::FetchBlobs(const Snapshot& layer) {
  const ImageSource& source = *layer.image;
  LOCKET_TRY_ASSIGN(const image::Digest digest, image::Digest::FromText(source.manifest_digest));
  LOCKET_TRY_ASSIGN(const std::string text, blobs_.EnsureManifest(source.reference, digest));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(text));
  LOCKET_TRY(blobs_.EnsureContent(source.reference, manifest.config));
  LOCKET_TRY_ASSIGN(const image::Descriptor blob, DescriptorOf(*layer.layer));
  return blobs_.Ensure(source.reference, blob);
}

}  // namespace locket::snapshotter
