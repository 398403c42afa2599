#include "verity/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"

namespace locket::verity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LayoutTest, CountsTheTreeOfEverySize) {
  EXPECT_THAT(LayoutFor(4096)->level_blocks, IsEmpty());
  EXPECT_EQ(LayoutFor(4096)->blob_size, 8192U);
  EXPECT_THAT(LayoutFor(2 * 4096)->level_blocks, ElementsAre(1));
  EXPECT_THAT(LayoutFor(128 * 4096)->level_blocks, ElementsAre(1));
  EXPECT_THAT(LayoutFor(129 * 4096)->level_blocks, ElementsAre(2, 1));
  EXPECT_THAT(LayoutFor(uint64_t{2} << 30)->level_blocks, ElementsAre(4096, 32, 1));
  EXPECT_EQ(LayoutFor(uint64_t{2} << 30)->tree_size, (4096 + 32 + 1) * 4096U);
  EXPECT_TRUE(LayoutFor(kMaxDataSize).ok());
}

TEST(LayoutTest, RefusesSizesOutOfBounds) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{4095}, uint64_t{4097}, kMaxDataSize + 4096, ~uint64_t{0}}) {
    const auto layout = LayoutFor(size);
    ASSERT_FALSE(layout.ok()) << size;
    EXPECT_THAT(layout.error().message(), HasSubstr("not a multiple of 4096 between"));
  }
}

TEST(LayoutTest, RefusesABlobOfAnotherLength) {
  EXPECT_TRUE(LayoutFor(8192, 4 * 4096).ok());
  for (const uint64_t size : {uint64_t{0}, uint64_t{8192}, uint64_t{4 * 4096 + 1}}) {
    const auto layout = LayoutFor(8192, size);
    ASSERT_FALSE(layout.ok());
    EXPECT_EQ(layout.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(layout.error().message(), HasSubstr("it must be 16384"));
  }
}

// The values are fixed by docs/formats/sealed-layer.md; computed with sha256sum.
TEST(DerivationTest, MatchesTheFormat) {
  const std::string diff_id = "sha256:" + std::string(64, '0');
  EXPECT_EQ(HexEncode(SaltForDiffId(diff_id)),
            "cf3ba346bd861b410f6a17ced9a5cbf1cfbce632fad34339e269bbcf323ce71d");
  EXPECT_EQ(HexEncode(ErofsUuidForDiffId(diff_id)), "466df0e9f09350fd869a44f3a2a7cb5d");
  EXPECT_EQ(HexEncode(SuperblockUuidForSalt(Salt{})), "bd98f25e49f955e4b644d01994ae846b");
}

TEST(Sha256Test, MatchesFips180AndMayBeUsedAgain) {
  Sha256 hash;
  hash.Update(AsBytes("ab"));
  hash.Update(AsBytes("c"));
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(HexEncode(hash.Finish()), abc);
  hash.Update(AsBytes("abc"));
  EXPECT_EQ(HexEncode(hash.Finish()), abc);
  EXPECT_EQ(DigestText(Sha256Of(AsBytes("abc"))), "sha256:" + abc);
}

}  // namespace
}  // namespace locket::verity
