#include "image/seal/data_area.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/file.h"
#include "verity/verify_layer.h"

namespace locket::image {
namespace {

// `blocks` blocks, no two alike.
std::string Data(uint64_t blocks) {
  std::string data;
  for (uint64_t i = 0; i < blocks; ++i) {
    data += std::to_string(i);
    data.resize((i + 1) * verity::kBlockSize, static_cast<char>(i));
  }
  return data;
}

class DataAreaTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(DataAreaTest, IsHashedAsInOnePieceByOneThread) {
  const auto temp = TempDir::Create("/tmp", "data-area-test-");
  ASSERT_TRUE(temp.ok());
  const std::string data = Data(GetParam());
  const auto fd = OpenFile(temp->path() / "data", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteFull(fd->get(), AsBytes(data + "what follows is not read")).ok());
  const auto layout = verity::LayoutFor(data.size());
  verity::HashTreeBuilder expected(verity::Salt{}, *layout);
  expected.Put(0, AsBytes(data));
  const auto ignore = [](auto) { return Ok(); };
  const auto root = expected.Finish(ignore);
  verity::Sha256 blob_hash;
  for (verity::Sha256* const hash : {&blob_hash, static_cast<verity::Sha256*>(nullptr)}) {
    verity::HashTreeBuilder tree(verity::Salt{}, *layout);
    ASSERT_TRUE(HashDataArea(fd->get(), data.size(), tree, hash).ok());
    EXPECT_EQ(*tree.Finish(ignore), *root);
  }
  EXPECT_EQ(blob_hash.Finish(), verity::Sha256Of(AsBytes(data)));
}

// One block; less than a chunk of the ring; one chunk; some and a part; more than the ring holds.
INSTANTIATE_TEST_SUITE_P(Sizes, DataAreaTest, ::testing::Values(1, 60, 64, 200, 3000));

TEST(DataAreaTest, SaysThatTheFileIsTooShort) {
  const auto temp = TempDir::Create("/tmp", "data-area-test-");
  ASSERT_TRUE(temp.ok());
  const auto fd = OpenFile(temp->path() / "data", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteFull(fd->get(), AsBytes(Data(100))).ok());
  verity::Sha256 blob_hash;
  for (verity::Sha256* const hash : {&blob_hash, static_cast<verity::Sha256*>(nullptr)}) {
    verity::HashTreeBuilder tree(verity::Salt{}, *verity::LayoutFor(200 * verity::kBlockSize));
    const auto hashed = HashDataArea(fd->get(), 200 * verity::kBlockSize, tree, hash);
    ASSERT_FALSE(hashed.ok());
    EXPECT_EQ(hashed.error().code(), ErrorCode::kDataLoss);
  }
}

}  // namespace
}  // namespace locket::image
