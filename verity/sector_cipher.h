// dm-crypt's aes-xts-plain64 with 4096-byte sectors (`sector_size:4096 iv_large_sectors`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/secret.h"
#include "verity/layout.h"

namespace locket::verity {

inline constexpr size_t kLayerKeyBytes = 64;

// Return new random values; the key is from OpenSSL's generator for private values. kInternal: the
// generator fails.
Result<Secret> GenerateLayerKey();
Result<Salt> RandomSalt();

// Encrypts and decrypts the sectors of one layer, in any order. Not thread-safe: use one object for
// each thread.
class SectorCipher {
 public:
  // kInvalidArgument: the key is not 64 bytes, or its halves are equal.
  static Result<SectorCipher> Create(const Secret& key);

  SectorCipher(SectorCipher&&) noexcept;
  ~SectorCipher();

  // Work in place on whole sectors, the first of which has the number `first_sector` in the layer.
  // After a failure (kInternal) the bytes are of no use.
  Status Encrypt(uint64_t first_sector, std::span<std::byte> sectors);
  Status Decrypt(uint64_t first_sector, std::span<std::byte> sectors);

 private:
  struct Contexts;
  explicit SectorCipher(std::unique_ptr<Contexts> contexts);
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace locket::verity
