#include "guest-mounter/open_layer.h"

#include <array>

#include "base/encoding.h"
#include "device/dm_target.h"
#include "verity/layout.h"

namespace locket::guest_mounter {
namespace {

Result<device::DmTarget> VerityTargetFor(const AcceptedLayer& layer, const std::string& disk) {
  const auto& identity = layer.info.identity;
  // The tree stands behind the data and the superblock, which is not read.
  LOCKET_TRY_ASSIGN(const auto layout, verity::LayoutFor(identity.data_size, layer.blob_size));
  return device::VerityTarget(disk, {.num_data_blocks = identity.data_size / verity::kBlockSize,
                                     .hash_start_block = layout.tree_offset / verity::kBlockSize,
                                     .root_hash_hex = HexEncode(identity.root_hash),
                                     .salt_hex = HexEncode(identity.salt)});
}

// kDataLoss if the target has seen a block that does not match; other trouble is none of its
// business.
Status CheckVerity(const device::MappedDevice& verity, const std::string& digest) {
  const auto status = verity.TargetStatus();
  // Kernel documentation, verity.rst, "Status": V for valid, C for corruption found.
  if (!status.ok() || !status->starts_with('C')) return Ok();
  return Error(ErrorCode::kDataLoss, "layer " + digest + ": dm-verity found corrupted data");
}

}  // namespace

Result<OpenLayer> OpenLayer::Open(const Seams& seams, const AcceptedLayer& layer, const Secret* key,
                                  const LayerPlace& place) {
  const std::string digest = layer.digest.ToText();
  LOCKET_TRY_ASSIGN(const auto disk, device::AwaitDevice(seams.disks, seams.clock, place.serial,
                                                         place.device_timeout)
                                         .While("layer " + digest));
  if (disk.size_bytes != layer.blob_size) {
    return Error(ErrorCode::kDataLoss, "layer " + digest + ": disk has " +
                                           std::to_string(disk.size_bytes) + " bytes, layer has " +
                                           std::to_string(layer.blob_size));
  }
  LOCKET_TRY_ASSIGN(const auto verity_target, VerityTargetFor(layer, disk.path));
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
                                             .read_only = true});
  if (!mount.ok()) {
    LOCKET_TRY(CheckVerity(verity, digest));
    return std::move(mount).error().While("layer " + digest);
  }
  return OpenLayer(digest, std::move(verity), std::move(crypt), std::move(*mount));
}

Status OpenLayer::CheckIntact() const { return CheckVerity(verity_, digest_); }

}  // namespace locket::guest_mounter
