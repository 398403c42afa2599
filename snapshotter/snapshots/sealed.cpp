// The half of Snapshots that knows sealed images: layers that come from a registry instead of an
// unpacker.
#include <algorithm>

#include "image/oci/media_type.h"
#include "image/sealed/sealed_image.h"
#include "snapshotter/snapshots/snapshots.h"
#include "snapshotter/store/failpoint.h"

namespace locket::snapshotter {
namespace {

struct CriLabels {
  std::string image_ref;
  image::Digest manifest_digest;
  image::Digest layer_digest;
};

// Nothing: not all are there. kInvalidArgument: a digest that is none.
Result<std::optional<CriLabels>> ParseCriLabels(const Labels& labels) {
  const auto image_ref = labels.find(std::string(kImageRefLabel));
  const auto manifest = labels.find(std::string(kManifestDigestLabel));
  const auto layer = labels.find(std::string(kLayerDigestLabel));
  if (image_ref == labels.end() || manifest == labels.end() || layer == labels.end()) {
    return std::optional<CriLabels>();
  }
  LOCKET_TRY_ASSIGN(const image::Digest manifest_digest,
                    image::Digest::FromText(manifest->second).While("label cri.manifest-digest"));
  LOCKET_TRY_ASSIGN(const image::Digest layer_digest,
                    image::Digest::FromText(layer->second).While("label cri.layer-digest"));
  return std::optional(CriLabels{.image_ref = image_ref->second,
                                 .manifest_digest = manifest_digest,
                                 .layer_digest = layer_digest});
}

Error Mixed(const std::string& what) {
  return {ErrorCode::kFailedPrecondition,
          what + ": an image has either sealed layers only or none; seal the whole image again"};
}

SealedBlob ToSealedBlob(const image::Descriptor& layer) {
  return {
      .digest = layer.digest.ToText(), .size_bytes = layer.size, .media_type = layer.media_type};
}

}  // namespace

bool IsBottomOf(const Chain& chain, const image::Manifest& manifest) {
  if (chain.size() > manifest.layers.size()) return false;
  for (size_t i = 0; i < chain.size(); ++i) {
    if (chain[chain.size() - 1 - i]->layer != ToSealedBlob(manifest.layers[i])) return false;
  }
  return true;
}

Result<image::Descriptor> DescriptorOf(const SealedBlob& layer) {
  LOCKET_TRY_ASSIGN(const image::Digest digest, image::Digest::FromText(layer.digest));
  return image::Descriptor{
      .media_type = layer.media_type, .digest = digest, .size = layer.size_bytes};
}

bool Snapshots::IsToConvert(const CreateRequest& request) const {
  const auto image_ref = request.labels.find(std::string(kImageRefLabel));
  return deps_.converter != nullptr && image_ref != request.labels.end() &&
         deps_.converter->Converts(image_ref->second);
}

Result<bool> Snapshots::PrepareRemote(const CreateRequest& request, const std::string& ref) {
  LOCKET_TRY_ASSIGN(const RemoteTarget target, FindTarget(request, ref));
  if (!target.existing) return FetchLayer(request, target);
  // An ordinary layer that another namespace has, or that containerd has forgotten with its
  // metadata: it would unpack it once more, perhaps under the very name that this one has.
  if (!target.existing->layer) {
    return IsToConvert(request) ? FetchLayer(request, target) : IsWhole(*target.existing);
  }
  // Heals a cache that lost a blob; costs a stat(2) otherwise. No registry has one that was made
  // here, so it is made again, if the labels tell of what.
  LOCKET_TRY_ASSIGN(const image::Descriptor blob, DescriptorOf(*target.existing->layer));
  const BlobCache::Pin pin(deps_.blobs, {target.existing->layer->digest});
  if (deps_.converter != nullptr && !deps_.blobs.Has(blob.digest.ToText(), blob.size)) {
    LOCKET_TRY_ASSIGN(const bool present, FetchLayer(request, target));
    if (present) return true;
  }
  LOCKET_TRY(EnsureAgain(request.labels, *target.existing, blob));
  return true;
}

// By the image that is being pulled, whose registry and credentials are at hand; failing that, by
// the one the layer came with.
Status Snapshots::EnsureAgain(const Labels& labels, const Snapshot& layer,
                              const image::Descriptor& blob) {
  const std::string& first = layer.image->reference;
  const auto image_ref = labels.find(std::string(kImageRefLabel));
  if (image_ref == labels.end()) return deps_.blobs.Ensure(first, blob);
  Status ensured = deps_.blobs.Ensure(image_ref->second, blob);
  if (ensured.ok() || image_ref->second == first) return ensured;
  return deps_.blobs.Ensure(first, blob).ok() ? Ok() : ensured;
}

Result<Snapshots::RemoteTarget> Snapshots::FindTarget(const CreateRequest& request,
                                                      const std::string& ref) {
  const std::lock_guard lock(mutex_);
  if (table_.Find(request.key)) {
    return Error(ErrorCode::kAlreadyExists, "snapshot '" + request.key + "' already exists");
  }
  LOCKET_TRY_ASSIGN(Chain chain, table_.ChainOf(request.parent));
  return RemoteTarget{
      .ref = ref, .chain = std::move(chain), .existing = table_.FindLayer(ref, request.parent)};
}

Result<std::optional<OrdinaryImage>> Snapshots::FindOrdinaryImage(const Labels& labels) {
  LOCKET_TRY_ASSIGN(const std::optional<CriLabels> cri, ParseCriLabels(labels));
  if (!cri) return std::optional<OrdinaryImage>();
  LOCKET_TRY_ASSIGN(const std::string text,
                    deps_.blobs.Manifest(cri->image_ref, cri->manifest_digest));
  LOCKET_TRY_ASSIGN(image::Manifest manifest, image::DecodeManifest(text));
  if (image::ClaimsToBeSealed(manifest)) return std::optional<OrdinaryImage>();
  return std::optional(OrdinaryImage{.reference = cri->image_ref,
                                     .manifest_digest = cri->manifest_digest,
                                     .manifest = std::move(manifest)});
}

Result<bool> Snapshots::FetchLayer(const CreateRequest& request, const RemoteTarget& target) {
  LOCKET_TRY_ASSIGN(const std::optional<CriLabels> cri, ParseCriLabels(request.labels));
  // Without the labels nothing tells which image this is. Create refuses it on sealed parents.
  if (!cri) return false;
  LOCKET_TRY_ASSIGN(const std::string manifest_text,
                    deps_.blobs.Manifest(cri->image_ref, cri->manifest_digest)
                        .While("image '" + cri->image_ref + "'"));
  LOCKET_TRY_ASSIGN(const image::Manifest manifest, image::DecodeManifest(manifest_text));
  if (!image::ClaimsToBeSealed(manifest)) {
    if (deps_.converter != nullptr && deps_.converter->Converts(cri->image_ref)) {
      const auto converted = ConvertLayer(request, target,
                                          {.reference = cri->image_ref,
                                           .manifest_digest = cri->manifest_digest,
                                           .manifest = manifest},
                                          cri->layer_digest);
      if (!converted.ok()) deps_.converter->NoteFailure(cri->image_ref, converted.error());
      return converted;
    }
    if (!target.sealed_parent()) return false;
    return Mixed("an ordinary layer of '" + cri->image_ref + "' on top of a sealed one");
  }
  const std::string while_checking = "sealed image '" + cri->image_ref + "'";
  const size_t index = target.chain.size();
  if (!IsBottomOf(target.chain, manifest)) {
    return Mixed(while_checking + " on top of layers that are not its own");
  }
  if (index >= manifest.layers.size() || manifest.layers[index].digest != cri->layer_digest) {
    return Error(ErrorCode::kInvalidArgument, while_checking + ": layer " + std::to_string(index) +
                                                  " is not " + cri->layer_digest.ToText());
  }
  const image::Descriptor& layer = manifest.layers[index];
  const ImageSource source{.reference = cri->image_ref,
                           .manifest_digest = cri->manifest_digest.ToText(),
                           .config_digest = manifest.config.digest.ToText()};
  const BlobCache::Pin pin(deps_.blobs,
                           {layer.digest.ToText(), source.manifest_digest, source.config_digest});
  if (manifest.config.size > image::kMaxConfigBytes) {
    return Error(ErrorCode::kInvalidArgument, while_checking + ": its config is over 4 MiB");
  }
  LOCKET_TRY_ASSIGN(
      const std::string config_text,
      deps_.blobs.EnsureContent(cri->image_ref, manifest.config).While(while_checking));
  LOCKET_TRY_ASSIGN(const image::ImageConfig config,
                    image::DecodeImageConfig(config_text).While(while_checking));
  if (const auto sound = image::CheckSealedImage(manifest, config); !sound.ok()) {
    return Error(sound.error()).While(while_checking);
  }
  if (image::ChainIds(config.diff_ids)[index].ToText() != target.ref) {
    return Error(ErrorCode::kInvalidArgument,
                 while_checking + ": chain ID '" + target.ref + "' is not its layer's");
  }
  LOCKET_TRY(deps_.blobs.Ensure(cri->image_ref, layer).While(while_checking));
  PassFailpoint("layer-fetched");
  LOCKET_TRY(deps_.blobs.Keep(source.manifest_digest, manifest_text).While(while_checking));
  PassFailpoint("manifest-kept");
  LOCKET_TRY(CommitLayer(request, target, source, ToSealedBlob(layer)));
  return true;
}

Result<bool> Snapshots::ConvertLayer(const CreateRequest& request, const RemoteTarget& target,
                                     const OrdinaryImage& image,
                                     const image::Digest& layer_digest) {
  const std::string doing = "convert image '" + image.reference + "'";
  const size_t index = target.chain.size();
  const auto& layers = image.manifest.layers;
  if (index >= layers.size() || layers[index].digest != layer_digest) {
    return Error(ErrorCode::kInvalidArgument,
                 doing + ": layer " + std::to_string(index) + " is not " + layer_digest.ToText());
  }
  if (index > 0 && !target.sealed_parent()) {
    return Error(ErrorCode::kFailedPrecondition,
                 doing + ": its lower layers are unpacked on this host already, by an image that " +
                     "was not to be converted, or before any was: remove the images that have " +
                     "them and pull this one again");
  }
  LOCKET_TRY_ASSIGN(const auto converted,
                    deps_.converter->Convert(image, request.gave_up).While(doing));
  if (!IsBottomOf(target.chain, converted->manifest)) {
    return Mixed(doing + " on top of layers that are not its own");
  }
  if (converted->chain_ids[index].ToText() != target.ref) {
    return Error(ErrorCode::kInvalidArgument,
                 doing + ": chain ID '" + target.ref + "' is not its layer's");
  }
  const ImageSource source{.reference = image.reference,
                           .manifest_digest = converted->manifest_digest.ToText(),
                           .config_digest = converted->manifest.config.digest.ToText()};
  LOCKET_TRY(CommitLayer(request, target, source, ToSealedBlob(converted->manifest.layers[index])));
  if (index + 1 == layers.size()) deps_.converter->Release(image.manifest_digest);
  return true;
}

Status Snapshots::CommitLayer(const CreateRequest& request, const RemoteTarget& target,
                              const ImageSource& source, const SealedBlob& layer) {
  // Not the name of a snapshot: those of one layer on one parent go one after the other.
  const std::string layer_lock = "layer " + target.ref + " on " + request.parent;
  const NameLocks::Hold hold(names_, {.exclusive = {layer_lock}, .shared = {request.parent}});
  // Whoever else waited for the same download may have been here first.
  LOCKET_TRY_ASSIGN(const RemoteTarget now_there, FindTarget(request, target.ref));
  if (now_there.existing && now_there.existing->layer) return Ok();
  const int64_t now = Now();
  LOCKET_TRY_ASSIGN(const uint64_t id, TakeId());
  Snapshot snapshot{.id = id,
                    .kind = Kind::kCommitted,
                    // containerd finds it by its label; the id makes the name unique for sure.
                    .name = "sealed/" + std::to_string(id) + "/" + target.ref,
                    .parent = request.parent,
                    .created_ns = now,
                    .updated_ns = now,
                    .labels = request.labels,
                    .usage = {},
                    .image = source,
                    .layer = layer};
  return Write({.put = {std::move(snapshot)}});
}

}  // namespace locket::snapshotter
