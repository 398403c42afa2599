#include "verity/sector_cipher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/encoding.h"
#include "verity/sha256.h"

namespace locket::verity {
namespace {

using ::testing::HasSubstr;

Secret CountingKey() {
  Secret key(kLayerKeyBytes);
  for (size_t i = 0; i < kLayerKeyBytes; ++i) key.Reveal()[i] = static_cast<std::byte>(i);
  return key;
}

// Computed with Python's cryptography package: AES-256-XTS of 4096 zero bytes, tweak 0x0102030405.
TEST(SectorCipherTest, MatchesAnotherImplementation) {
  auto cipher = SectorCipher::Create(CountingKey());
  ASSERT_TRUE(cipher.ok());
  std::vector<std::byte> sector(kBlockSize);
  ASSERT_TRUE(cipher->Encrypt(0x0102030405, sector).ok());
  EXPECT_EQ(HexEncode(Sha256Of(sector)),
            "77d670ecb846d7c2f9f56dffa688c0f78e3ef955ed0840c2691c6025da3d9e21");
}

TEST(SectorCipherTest, DecryptsWhatItEncryptedSectorBySector) {
  auto cipher = SectorCipher::Create(CountingKey());
  ASSERT_TRUE(cipher.ok());
  const std::vector<std::byte> plain(4 * kBlockSize, std::byte{0x5a});
  std::vector<std::byte> sectors = plain;
  ASSERT_TRUE(cipher->Encrypt(10, sectors).ok());
  const std::span<std::byte> all(sectors);
  EXPECT_NE(HexEncode(all.first(kBlockSize)), HexEncode(all.last(kBlockSize)));
  ASSERT_TRUE(cipher->Decrypt(12, all.last(2 * kBlockSize)).ok());
  ASSERT_TRUE(cipher->Decrypt(10, all.first(2 * kBlockSize)).ok());
  EXPECT_EQ(sectors, plain);
}

TEST(SectorCipherTest, RefusesUnfitKeys) {
  EXPECT_THAT(SectorCipher::Create(Secret(32)).error().message(), HasSubstr("32 bytes long"));
  EXPECT_THAT(SectorCipher::Create(Secret(64)).error().message(), HasSubstr("halves must differ"));
}

TEST(GenerateLayerKeyTest, NeverRepeats) {
  const auto one = GenerateLayerKey();
  const auto other = GenerateLayerKey();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(HexEncode(one->Reveal()), HexEncode(other->Reveal()));
  EXPECT_NE(*RandomSalt(), *RandomSalt());
}

}  // namespace
}  // namespace locket::verity
