#include "guest-mounter/image_opener.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <set>

#include "base/encoding.h"
#include "guest-mounter/overlay.h"
#include "guest-mounter/root_attributes.h"
#include "image/sealed/key_packet.h"

namespace locket::guest_mounter {
namespace {

constexpr size_t kSerialDigits = 32;  // docs/formats/guest-channels.md

std::string PoolKey(const AcceptedLayer& layer) {
  const auto& identity = layer.info.identity;
  return layer.digest.Hex() + HexEncode(identity.root_hash) + HexEncode(identity.salt) +
         std::to_string(identity.data_size) + (layer.info.encrypted() ? "c" : "p");
}

Status CheckLayerCount(const AcceptedImage& image) {
  std::set<std::string> different;
  for (const AcceptedLayer& layer : image.layers) different.insert(PoolKey(layer));
  if (different.size() <= kMaxLowerLayers) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "image " + image.manifest_digest.ToText() + " has " +
                   std::to_string(different.size()) + " different layers; overlayfs takes " +
                   std::to_string(kMaxLowerLayers) + ". Build it from fewer layers");
}

// "0", "z", "10": short, as mount options have room for few bytes a layer.
std::string Base36(uint64_t number) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
  } while ((number /= 36) > 0);
  return text;
}

// One request to the broker for each key, however many layers it wraps.
class LayerKeys {
 public:
  explicit LayerKeys(SecretSource* source) : source_(source) {}

  // Nothing for a layer that is not encrypted.
  Result<std::optional<Secret>> For(const AcceptedLayer& layer) {
    if (!layer.info.encrypted()) return std::optional<Secret>();
    if (source_ == nullptr) {
      return Error(ErrorCode::kFailedPrecondition,
                   "it is encrypted and initdata names no [broker]");
    }
    LOCKET_TRY_ASSIGN(const auto packet, image::DecodeKeyPacket(layer.info.key_packet));
    const std::string id = packet.kid.ToUri();
    auto it = keks_.find(id);
    if (it == keks_.end()) {
      LOCKET_TRY_ASSIGN(auto kek, source_->FetchSecret(packet.kid).While("key '" + id + "'"));
      it = keks_.emplace(id, std::move(kek)).first;
    }
    LOCKET_TRY_ASSIGN(auto key, image::UnwrapLayerKeyFor(it->second, packet, layer.info.identity));
    return std::optional(std::move(key));
  }

 private:
  SecretSource* source_;
  std::map<std::string, Secret> keks_;
};

Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return Ok();
  return Error::FromErrno(errno, "make directory '" + path + "'");
}

std::string PathOf(const WritableLayer& writable) {
  if (const auto* memory = std::get_if<device::Mounted>(&writable)) return memory->target();
  return std::get<TempDir>(writable).path().string();
}

}  // namespace

Status OpenImage::CheckIntact() const {
  for (const auto& layer : layers_) LOCKET_TRY(layer->CheckIntact());
  return Ok();
}

std::string ImageOpener::NextName(const char* kind) { return kind + Base36(next_++); }

Result<std::unique_ptr<OpenImage>> ImageOpener::Open(const OpenRequest& request) {
  const MutexLock lock(mutex_);
  LOCKET_TRY_ASSIGN(auto image, CheckImage(policy_, request.manifest, request.config));
  LOCKET_TRY(CheckLayerCount(image));
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return Error::FromErrno(error.value(), "make '" + options_.directory.string() + "'");
  LOCKET_TRY_ASSIGN(auto layers, OpenLayers(image, request));
  return Stack(std::move(image), std::move(layers), request.scratch);
}

Result<ImageOpener::LayerList> ImageOpener::OpenLayers(const AcceptedImage& image,
                                                       const OpenRequest& request) {
  LayerKeys keys(keys_);
  // Every key before any device: a refusal by the broker costs nothing to undo, and an image
  // accepted for its key packets has them all checked first.
  std::vector<std::optional<Secret>> layer_keys;
  for (const AcceptedLayer& layer : image.layers) {
    LOCKET_TRY_ASSIGN(auto key, keys.For(layer).While("layer " + layer.digest.ToText()));
    layer_keys.push_back(std::move(key));
  }
  LayerList open;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const AcceptedLayer& layer = image.layers[i];
    const auto hint = request.serials.find(layer.digest.ToText());
    LOCKET_TRY_ASSIGN(auto one, OpenOrShare(layer, layer_keys[i] ? &*layer_keys[i] : nullptr,
                                            hint != request.serials.end()
                                                ? hint->second
                                                : layer.digest.Hex().substr(0, kSerialDigits)));
    open.push_back(std::move(one));
  }
  return open;
}

Result<std::shared_ptr<const OpenLayer>> ImageOpener::OpenOrShare(const AcceptedLayer& layer,
                                                                  const Secret* key,
                                                                  std::string serial) {
  std::weak_ptr<const OpenLayer>& slot = open_[PoolKey(layer)];
  if (auto shared = slot.lock()) return shared;
  LOCKET_TRY_ASSIGN(auto opened, OpenLayer::Open(seams_, layer, key,
                                                 {.serial = std::move(serial),
                                                  .name = NextName("l"),
                                                  .directory = options_.directory,
                                                  .device_timeout = options_.device_timeout}));
  auto layer_object = std::make_shared<const OpenLayer>(std::move(opened));
  slot = layer_object;
  std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  return layer_object;
}

Result<WritableLayer> ImageOpener::MakeWritable(const std::string& name,
                                                const std::filesystem::path& scratch) {
  if (!scratch.empty()) {
    LOCKET_TRY_ASSIGN(auto directory, TempDir::Create(scratch, name + "-"));
    return WritableLayer(std::move(directory));
  }
  LOCKET_TRY_ASSIGN(auto memory, device::Mounted::Create(
                                     seams_.mounts,
                                     {.source = "tmpfs",
                                      .target = (options_.directory / (name + "-scratch")).string(),
                                      .type = "tmpfs",
                                      .data = "mode=0700",
                                      .nodev = true}));
  return WritableLayer(std::move(memory));
}

Result<std::unique_ptr<OpenImage>> ImageOpener::Stack(AcceptedImage image, LayerList layers,
                                                      const std::filesystem::path& scratch) {
  const std::string name = NextName("i");
  LOCKET_TRY_ASSIGN(auto writable, MakeWritable(name, scratch));
  const std::string top = PathOf(writable);
  LOCKET_TRY(MakeDirectory(top + "/upper"));
  LOCKET_TRY(MakeDirectory(top + "/work"));
  LOCKET_TRY(CopyRootAttributes(layers.back()->path(), top + "/upper"));
  std::vector<std::string> names;
  for (const auto& layer : layers) {
    names.push_back(std::filesystem::path(layer->path()).filename().string());
  }
  auto rootfs =
      device::Mounted::Create(seams_.mounts, OverlayMount({.directory = options_.directory,
                                                           .layers = std::move(names),
                                                           .writable = top,
                                                           .target = options_.directory / name}));
  if (!rootfs.ok()) {
    for (const auto& layer : layers) LOCKET_TRY(layer->CheckIntact());
    return std::move(rootfs).error();
  }
  return std::make_unique<OpenImage>(std::move(image), std::move(layers), std::move(writable),
                                     std::move(*rootfs));
}

}  // namespace locket::guest_mounter
