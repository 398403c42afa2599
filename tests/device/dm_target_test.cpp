#include "device/dm_target.h"

#include <gtest/gtest.h>

namespace locket::device {
namespace {

TEST(DmTargetTest, VerityTakesItsTreeFromBehindTheDataOfTheSameDevice) {
  const DmTarget target = VerityTarget(
      "/dev/sda",
      {.num_data_blocks = 16, .hash_start_block = 17, .root_hash_hex = "ab", .salt_hex = "cd"});
  EXPECT_EQ(target, (DmTarget{.num_sectors = 128,
                              .type = "verity",
                              .params = "1 /dev/sda /dev/sda 4096 4096 16 17 sha256 ab cd"}));
}

TEST(DmTargetTest, CryptCountsItsIvInSectorsOfOurSize) {
  const Secret key(64);
  const DmTarget target = CryptTarget("/dev/dm-0", {.num_bytes = 65536, .key = &key});
  EXPECT_EQ(target, (DmTarget{.num_sectors = 128,
                              .type = "crypt",
                              .params = "aes-xts-plain64 @key@ 0 /dev/dm-0 0 2 sector_size:4096 "
                                        "iv_large_sectors",
                              .key = &key}));
}

TEST(DmTargetTest, IntegrityKeepsHeaderAndTagsOnTheDeviceGivenForThem) {
  const DmTarget target =
      IntegrityTarget("/dev/sda", {.num_bytes = 65536, .tag_device = "/dev/ram0"});
  EXPECT_EQ(target, (DmTarget{.num_sectors = 128,
                              .type = "integrity",
                              .params = "/dev/sda 0 32 D 4 meta_device:/dev/ram0 block_size:4096 "
                                        "journal_sectors:8 buffer_sectors:8"}));
}

TEST(DmTargetTest, SealedCryptAuthenticatesEverySector) {
  const Secret key(kSealedCryptKeyBytes);
  const DmTarget target = SealedCryptTarget("/dev/dm-0", {.num_bytes = 65536, .key = &key});
  EXPECT_EQ(target, (DmTarget{.num_sectors = 128,
                              .type = "crypt",
                              .params = "capi:authenc(hmac(sha256),xts(aes))-plain64 @key@ 0 "
                                        "/dev/dm-0 0 3 integrity:32:aead sector_size:4096 "
                                        "iv_large_sectors",
                              .key = &key}));
}

TEST(DmTargetTest, TheKeyIsNotInTheText) {
  Secret key(64);
  for (auto& byte : key.Reveal()) byte = std::byte{0xA5};
  const DmTarget target = CryptTarget("/dev/dm-0", {.num_bytes = 4096, .key = &key});
  EXPECT_EQ(target.params.find("a5a5"), std::string::npos);
}

}  // namespace
}  // namespace locket::device
