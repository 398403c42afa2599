// One line of a device-mapper table, as a plain value. Nothing here touches the kernel, so every
// parameter string is testable without root.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace locket::device {

inline constexpr uint64_t kSectorBytes = 512;

// Stands in DmTarget::params where the key goes, in hex, when the table is handed to the kernel: no
// key ever passes through a string.
inline constexpr std::string_view kKeyPlaceholder = "@key@";

// Sizes are in sectors of kSectorBytes, as the kernel counts. A field without a default is
// required.
struct DmTarget {
  uint64_t start_sector = 0;
  uint64_t num_sectors;
  std::string type;
  std::string params;
  const Secret* key = nullptr;  // lent for the call that takes the table

  bool operator==(const DmTarget&) const = default;
};

// A dm-verity tree that lies behind its data on the same device, without reading a superblock.
struct VerityParams {
  uint64_t num_data_blocks;
  uint64_t hash_start_block;  // counted in hash blocks from the start of the device
  std::string root_hash_hex;
  std::string salt_hex;
  uint32_t block_bytes = 4096;
};

// dm-crypt `aes-xts-plain64` whose IV counts `sector_bytes` sectors.
struct CryptParams {
  uint64_t num_bytes;  // a multiple of sector_bytes
  const Secret* key;
  uint32_t sector_bytes = 4096;
};

// dm-integrity as dm-crypt's place for tags, in direct mode: no journal, so a power cut tears what
// was being written. Its header and all tags lie on `tag_device`.
struct IntegrityParams {
  uint64_t num_bytes;  // a multiple of sector_bytes
  std::string tag_device;
  uint32_t sector_bytes = 4096;
};

// dm-crypt with AES-256-XTS and HMAC-SHA256 over ciphertext and sector number, on an integrity
// device of as many bytes. A sector that was never written does not authenticate: reading it fails.
struct SealedCryptParams {
  uint64_t num_bytes;
  const Secret* key;  // kSealedCryptKeyBytes
  uint32_t sector_bytes = 4096;
};
inline constexpr size_t kSealedCryptKeyBytes = 96;  // 64 for XTS, 32 for HMAC
inline constexpr size_t kSealedCryptTagBytes = 32;  // for each sector

// Return the table line that maps the whole `device` (a path, or "major:minor") in that way.
DmTarget IntegrityTarget(std::string_view device, const IntegrityParams& params);
DmTarget SealedCryptTarget(std::string_view device, const SealedCryptParams& params);
DmTarget VerityTarget(std::string_view device, const VerityParams& params);
DmTarget CryptTarget(std::string_view device, const CryptParams& params);

}  // namespace locket::device
