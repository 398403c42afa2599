// Opens sealed images inside the guest: from the manifest and config that the host hands in to a
// directory that a container can have as its root.
//
// Terms
//   image      A manifest and a config, as exact bytes. The tenant's policy decides whether they
//              may run; everything else that is opened follows from their content.
//   layer      One sealed blob on a disk of its own: a stack of devices with a mounted file system
//              on top (open_layer.h). All images that have a layer share its stack.
//   writable   The directory for what one container changes: on the pod's scratch (scratch.h), or
//              on a tmpfs of its own. It is never shared.
//   rootfs     The overlayfs mount of the layers and the writable directory.
//
// Life cycle
//   The agent makes one ImageOpener for a boot, once it has the tenant's policy. Open does these
//   steps in this order. An error ends it, and what the earlier steps made is taken down.
//     1. The policy accepts the image, and it has at most kMaxLowerLayers different layers.
//     2. The keys of all encrypted layers are fetched and unwrapped, before any device is made.
//     3. Each layer, bottom first: its disk is awaited, then dm-verity, dm-crypt, EROFS. A layer
//        that some open image has is taken from there.
//     4. The writable directory gets the attributes of the image's root directory
//        (root_attributes.h).
//     5. overlayfs is mounted (overlay.h).
//   Destroying the OpenImage unmounts the root directory, deletes what was written, and closes the
//   layers that no other open image has.
//
// Scenario: `app` has layers A and B, its sidecar A and C; the pod has no scratch, so each writable
// directory is a tmpfs. One counter gives all names. What is in `directory`:
//   Open(app)        l0 (A)  l1 (B)  i2-scratch  i2
//   Open(sidecar)    l0 (A)  l1 (B)  i2-scratch  i2  l3 (C)  i4-scratch  i4
//   app ends         l0 (A)                          l3 (C)  i4-scratch  i4
//   sidecar ends     nothing
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
#include "base/secret_source.h"
#include "device/mounted.h"
#include "guest-mounter/image_policy.h"
#include "guest-mounter/open_layer.h"

namespace locket::guest_mounter {

// All but `scratch` comes from the host and is checked.
struct OpenRequest {
  std::string manifest;  // the exact bytes, of which the policy knows the digest
  std::string config;    // the exact bytes, of which the manifest has the digest
  // From a layer's digest to the serial number of its disk. A wrong one makes Open fail and nothing
  // worse, as dm-verity checks what the disk holds. Without one: the digest's first 32 digits
  // (docs/formats/guest-channels.md).
  std::map<std::string, std::string> serials{};
  // A mounted scratch, which outlives the image; the writable directory is made in it. Empty: the
  // writable directory is a tmpfs, which may fill half of the guest's memory.
  std::filesystem::path scratch{};
};

// Where the changes to one root directory are kept: a tmpfs, or a directory of the scratch.
using WritableLayer = std::variant<device::Mounted, TempDir>;

// An image that Open opened. Its destruction closes the image (see "Life cycle" above): end the
// container's processes first. A mount that is still in use is taken out of sight, and goes with
// its devices when its last user does. A failure to close is logged.
//
// CheckIntact may be called by several threads at a time. An image may be destroyed while the
// opener opens another.
class OpenImage {
 public:
  OpenImage(AcceptedImage image, std::vector<std::shared_ptr<const OpenLayer>> layers,
            WritableLayer writable, device::Mounted rootfs)
      : image_(std::move(image)),
        layers_(std::move(layers)),
        writable_(std::move(writable)),
        rootfs_(std::move(rootfs)) {}

  // Returns what the policy accepted: the config, the layers, and whether they are pinned.
  const AcceptedImage& image() const { return image_; }
  // Returns the absolute path of the root directory. It is writable.
  const std::string& rootfs() const { return rootfs_.target(); }

  // Says whether all that was read so far was what was sealed. dm-verity fails a read of other
  // bytes with EIO, which a program may take for something else or ignore: call this when a
  // container has failed or ended. kDataLoss: a read of some layer has failed its check; the
  // message names the layer, and the layer stays so until it is closed. kInternal: the kernel's
  // answer is none that we know.
  Status CheckIntact() const;

 private:
  AcceptedImage image_;
  // Order matters: members die in reverse. Layers are shared among the images that have them.
  std::vector<std::shared_ptr<const OpenLayer>> layers_;
  WritableLayer writable_;
  device::Mounted rootfs_;
};

struct OpenerOptions {
  // For mount points, used by this opener alone. Made by the first Open, and left when all images
  // are closed, empty. A short path leaves room for more layers in the options of a mount.
  std::filesystem::path directory;
  // How long Open waits for one disk that has not come, or has left.
  std::chrono::milliseconds device_timeout = std::chrono::seconds(15);
};

// Opens images under one policy. Thread-safe: a second Open waits until the first has returned,
// which can take `device_timeout` for each layer and the key source's time for each key. Outlives
// the images that it opened.
class ImageOpener {
 public:
  // What `seams` refers to outlives the opener and its images. `keys` may be null: encrypted layers
  // are then refused.
  ImageOpener(const Seams& seams, initdata::GuestPolicy policy, SecretSource* keys,
              OpenerOptions options)
      : seams_(seams), policy_(std::move(policy)), keys_(keys), options_(std::move(options)) {}

  // Returns the open image. Of a layer that the image has several times, the topmost counts; it is
  // opened once. On failure nothing is left behind. The message names the layer, or the key, that
  // it is about.
  //
  // The same request fails again, unless the image or initdata is changed:
  //   kPermissionDenied     the policy does not accept the image, or the broker does not give a key
  //   kInvalidArgument      it is not a sound sealed image, or has too many different layers
  //   kFailedPrecondition   a layer is encrypted, and there is no key source
  //   kDataLoss             the config is not the manifest's, a key packet does not fit its layer,
  //                         or a disk holds other bytes than were sealed
  // It may succeed later:
  //   kUnavailable          the broker was not reached
  //   kDeadlineExceeded     the host did not attach a disk in time
  //   kResourceExhausted    the writable directory has no room for an attribute of the root
  //                         directory (root_attributes.h)
  // Errors of the kernel's calls come as Error::FromErrno has them.
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
  SecretSource* const keys_;
  const OpenerOptions options_;
  Mutex mutex_;
  // The layers that are open, by everything that decides what a layer shows.
  std::map<std::string, std::weak_ptr<const OpenLayer>> open_ LOCKET_GUARDED_BY(mutex_);
  uint64_t next_ LOCKET_GUARDED_BY(mutex_) = 0;
};

}  // namespace locket::guest_mounter
