#include "device/dm_target.h"

namespace locket::device {

DmTarget VerityTarget(std::string_view device, const VerityParams& p) {
  // Kernel documentation, admin-guide/device-mapper/verity.rst, "Construction Parameters".
  std::string params = "1 ";
  params.append(device).append(" ").append(device);
  params += " " + std::to_string(p.block_bytes) + " " + std::to_string(p.block_bytes);
  params += " " + std::to_string(p.num_data_blocks) + " " + std::to_string(p.hash_start_block);
  params += " sha256 " + p.root_hash_hex + " " + p.salt_hex;
  return {.start_sector = 0,
          .num_sectors = p.num_data_blocks * p.block_bytes / kSectorBytes,
          .type = "verity",
          .params = std::move(params)};
}

DmTarget CryptTarget(std::string_view device, const CryptParams& p) {
  // Kernel documentation, admin-guide/device-mapper/dm-crypt.rst.
  std::string params = "aes-xts-plain64 ";
  params.append(kKeyPlaceholder).append(" 0 ").append(device);
  params += " 0 2 sector_size:" + std::to_string(p.sector_bytes) + " iv_large_sectors";
  return {.start_sector = 0,
          .num_sectors = p.num_bytes / kSectorBytes,
          .type = "crypt",
          .params = std::move(params),
          .key = p.key};
}

}  // namespace locket::device
