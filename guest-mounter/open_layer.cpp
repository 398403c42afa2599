#include "guest-mounter/open_layer.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "device/dm_target.h"
#include "verity/layout.h"

namespace locket::guest_mounter {
namespace {

// Between two tries to open what did not open.
constexpr std::chrono::milliseconds kRetryPause{100};

Result<device::DmTarget> VerityTargetFor(const AcceptedLayer& layer, const std::string& disk) {
  const auto& identity = layer.info.identity;
  // The tree stands behind the data and the superblock, which is not read.
  LOCKET_TRY_ASSIGN(const auto layout, verity::LayoutFor(identity.data_size, layer.blob_size));
  return device::VerityTarget(disk, {.num_data_blocks = identity.data_size / verity::kBlockSize,
                                     .hash_start_block = layout.tree_offset / verity::kBlockSize,
                                     .root_hash_hex = HexEncode(identity.root_hash),
                                     .salt_hex = HexEncode(identity.salt)});
}

// kDataLoss if the target has seen a block that does not match. kInternal: it says nothing that we
// understand.
Status CheckVerity(const device::MappedDevice& verity, const std::string& digest) {
  LOCKET_TRY_ASSIGN(const auto status, verity.TargetStatus().While("layer " + digest));
  // Kernel documentation, verity.rst, "Status": V for valid, C for corruption found. Newer kernels
  // say more after the first word: "V -", "V 0".
  const std::string word = status.substr(0, status.find(' '));
  if (word == "V") return Ok();
  if (word == "C") {
    return Error(ErrorCode::kDataLoss, "layer " + digest + ": dm-verity found corrupted data");
  }
  return Error(ErrorCode::kInternal,
               "layer " + digest + ": dm-verity's status is '" + status + "', neither V nor C");
}

Error Gone(const Error& last, const std::string& serial) {
  return {last.code(), last.message() + "; disk '" + serial + "' has left or cannot be read"};
}

}  // namespace

Result<OpenLayer> OpenLayer::Open(const Seams& seams, const AcceptedLayer& layer, const Secret* key,
                                  const LayerPlace& place) {
  const std::string digest = layer.digest.ToText();
  const auto deadline = seams.clock.Steady() + place.device_timeout;
  std::optional<Error> last;
  for (auto left = place.device_timeout;;) {
    auto disk = device::AwaitDevice(seams.disks, seams.clock, place.serial, left);
    if (!disk.ok()) {
      if (last) return Gone(*last, place.serial);
      return std::move(disk).error().While("layer " + digest);
    }
    auto open = OpenOn(*disk, seams, layer, key, place);
    // A disk may leave at any moment, and the one that is meant may come after it: while there is
    // time, only what a disk that is there does counts.
    if (open.ok() || open.error().code() == ErrorCode::kDataLoss || seams.disks.Serves(*disk)) {
      return open;
    }
    last = open.error();
    left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - seams.clock.Steady());
    if (left.count() <= 0) return Gone(*last, place.serial);
    seams.disks.AwaitChange(std::min(left, kRetryPause));
  }
}

Result<OpenLayer> OpenLayer::OpenOn(const device::BlockDevice& disk, const Seams& seams,
                                    const AcceptedLayer& layer, const Secret* key,
                                    const LayerPlace& place) {
  const std::string digest = layer.digest.ToText();
  if (disk.size_bytes != layer.blob_size) {
    return Error(ErrorCode::kDataLoss, "layer " + digest + ": disk has " +
                                           std::to_string(disk.size_bytes) + " bytes, layer has " +
                                           std::to_string(layer.blob_size));
  }
  LOCKET_TRY_ASSIGN(const auto verity_target, VerityTargetFor(layer, disk.number));
  LOCKET_TRY_ASSIGN(auto verity, device::MappedDevice::Create(seams.dm, place.name + "-verity",
                                                              std::array{verity_target})
                                     .While("layer " + digest));
  std::optional<device::MappedDevice> crypt;
  if (key != nullptr) {
    const std::array table{device::CryptTarget(
        verity.path(), {.num_bytes = layer.info.identity.data_size, .key = key})};
    LOCKET_TRY_ASSIGN(auto made,
                      device::MappedDevice::Create(seams.dm, place.name + "-crypt", table)
                          .While("layer " + digest));
    crypt.emplace(std::move(made));
  }
  auto mount =
      device::Mounted::Create(seams.mounts, {.source = crypt ? crypt->path() : verity.path(),
                                             .target = (place.directory / place.name).string(),
                                             .type = "erofs",
                                             .read_only = true,
                                             .nodev = true});
  if (!mount.ok()) {
    const Status intact = CheckVerity(verity, digest);
    if (!intact.ok() && intact.error().code() == ErrorCode::kDataLoss) return intact.error();
    return std::move(mount).error().While("layer " + digest);
  }
  return OpenLayer(digest, std::move(verity), std::move(crypt), std::move(*mount));
}

Status OpenLayer::CheckIntact() const { return CheckVerity(verity_, digest_); }

}  // namespace locket::guest_mounter
