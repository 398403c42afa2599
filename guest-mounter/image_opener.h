// From an image the host hands in to a root directory for a container.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "device/mounted.h"
#include "guest-mounter/image_policy.h"
#include "guest-mounter/key_source.h"
#include "guest-mounter/open_layer.h"

namespace locket::guest_mounter {

struct OpenRequest {
  std::string manifest;                          // the exact bytes
  std::string config;                            // the exact bytes
  std::map<std::string, std::string> serials{};  // digest -> serial of its disk; a hint
  // Ours, not the host's: where what the container writes is kept. Empty: in memory.
  std::filesystem::path scratch{};
};

// Where the changes to one root directory are kept: a tmpfs, or a directory of the scratch.
using WritableLayer = std::variant<device::Mounted, TempDir>;

// A container's root directory: overlayfs over the layers. Closing takes down what nobody else
// uses, with all that was written.
class OpenImage {
 public:
  OpenImage(AcceptedImage image, std::vector<std::shared_ptr<const OpenLayer>> layers,
            WritableLayer writable, device::Mounted rootfs)
      : image_(std::move(image)),
        layers_(std::move(layers)),
        writable_(std::move(writable)),
        rootfs_(std::move(rootfs)) {}

  const AcceptedImage& image() const { return image_; }
  const std::string& rootfs() const { return rootfs_.target(); }

  // kDataLoss: a read of some layer has failed its check; the message names the layer.
  Status CheckIntact() const;

 private:
  AcceptedImage image_;
  // Order matters: members die in reverse. Layers are shared among the images that have them.
  std::vector<std::shared_ptr<const OpenLayer>> layers_;
  WritableLayer writable_;
  device::Mounted rootfs_;
};

struct OpenerOptions {
  std::filesystem::path directory;  // ours alone; made if absent
  std::chrono::milliseconds device_timeout = std::chrono::seconds(15);
};

// Thread-safe; opens one image at a time. Outlives the images it opened.
class ImageOpener {
 public:
  // `keys` may be null: encrypted layers are then refused.
  ImageOpener(const Seams& seams, initdata::GuestPolicy policy, KeySource* keys,
              OpenerOptions options)
      : seams_(seams), policy_(std::move(policy)), keys_(keys), options_(std::move(options)) {}

  // Policy, keys, layers, overlay. On failure nothing is left behind. kInvalidArgument: more than
  // kMaxLowerLayers different layers. A layer that the image has several times is opened once.
  Result<std::unique_ptr<OpenImage>> Open(const OpenRequest& request);

 private:
  using LayerList = std::vector<std::shared_ptr<const OpenLayer>>;

  Result<LayerList> OpenLayers(const AcceptedImage& image, const OpenRequest& request);
  Result<std::shared_ptr<const OpenLayer>> OpenOrShare(const AcceptedLayer& layer,
                                                       const Secret* key, std::string serial);
  Result<std::unique_ptr<OpenImage>> Stack(AcceptedImage image, LayerList layers,
                                           const std::filesystem::path& scratch);
  Result<WritableLayer> MakeWritable(const std::string& name, const std::filesystem::path& scratch);
  std::string NextName(const char* kind);

  const Seams seams_;
  const initdata::GuestPolicy policy_;
  KeySource* const keys_;
  const OpenerOptions options_;
  Mutex mutex_;
  // By everything that decides what a layer shows.
  std::map<std::string, std::weak_ptr<const OpenLayer>> open_ LOCKET_GUARDED_BY(mutex_);
  uint64_t next_ LOCKET_GUARDED_BY(mutex_) = 0;
};

}  // namespace locket::guest_mounter
