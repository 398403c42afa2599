#include "verity/superblock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::verity {
namespace {

using ::testing::HasSubstr;

Superblock Some() {
  Superblock superblock{.uuid = {}, .data_blocks = 7, .salt = {}};
  superblock.uuid.fill(std::byte{0xab});
  superblock.salt.fill(std::byte{0xcd});
  return superblock;
}

TEST(SuperblockTest, RoundTrips) {
  const auto decoded = DecodeSuperblock(EncodeSuperblock(Some()));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(*decoded, Some());
}

TEST(SuperblockTest, NamesTheFieldItRefuses) {
  const std::pair<size_t, const char*> table[] = {
      {0, "wrong magic"},        {8, "unknown version"},
      {12, "unknown hash type"}, {33, "not sha256"},
      {63, "not sha256"},        {65, "data block size"},
      {69, "hash block size"},   {77, "number of data blocks"},
      {80, "salt is not 32"},    {84, "salt is not 32"},
      {120, "must be zero"},     {4095, "must be zero"}};
  for (const auto& [at, reason] : table) {
    auto block = EncodeSuperblock(Some());
    block[at] ^= std::byte{0xff};
    const auto decoded = DecodeSuperblock(block);
    ASSERT_FALSE(decoded.ok()) << at;
    EXPECT_THAT(decoded.error().message(), HasSubstr(reason)) << at;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kDataLoss);
  }
}

TEST(SuperblockTest, RefusesNoDataAndOtherLengths) {
  Superblock none = Some();
  none.data_blocks = 0;
  EXPECT_THAT(DecodeSuperblock(EncodeSuperblock(none)).error().message(), HasSubstr("data blocks"));
  const auto block = EncodeSuperblock(Some());
  EXPECT_THAT(DecodeSuperblock(std::span(block).first(512)).error().message(),
              HasSubstr("4096 bytes"));
}

}  // namespace
}  // namespace locket::verity
