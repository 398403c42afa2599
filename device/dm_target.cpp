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

DmTarget IntegrityTarget(std::string_view device, const IntegrityParams& p) {
  // Kernel documentation, admin-guide/device-mapper/dm-integrity.rst. The smallest journal, as none
  // is used; tags are read in pages: they come from memory.
  std::string params(device);
  params += " 0 " + std::to_string(kSealedCryptTagBytes) + " D 4 meta_device:" + p.tag_device;
  params += " block_size:" + std::to_string(p.sector_bytes) + " journal_sectors:8 buffer_sectors:8";
  return {.start_sector = 0,
          .num_sectors = p.num_bytes / kSectorBytes,
          .type = "integrity",
          .params = std::move(params)};
}

DmTarget SealedCryptTarget(std::string_view device, const SealedCryptParams& p) {
  std::string params = "capi:authenc(hmac(sha256),xts(aes))-plain64 ";
  params.append(kKeyPlaceholder).append(" 0 ").append(device);
  params += " 0 3 integrity:" + std::to_string(kSealedCryptTagBytes) + ":aead sector_size:";
  params += std::to_string(p.sector_bytes) + " iv_large_sectors";
  return {.start_sector = 0,
          .num_sectors = p.num_bytes / kSectorBytes,
          .type = "crypt",
          .params = std::move(params),
          .key = p.key};
}

}  // namespace locket::device
